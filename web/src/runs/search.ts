import { activeStates, type RunState } from '@/lib/api'

/** What the address of the list of runs says. */
export interface RunsSearch {
  state?: keyof typeof shownStates | undefined
  recipe?: string | undefined
  /** Started within so many days. */
  days?: number | undefined
}

/** The states that the list can be of. */
export const shownStates = {
  active: { label: 'Going on', of: activeStates },
  completed: { label: 'Completed', of: ['completed'] },
  failed: { label: 'Failed', of: ['failed'] },
  cancelled: { label: 'Cancelled', of: ['cancelled'] },
} as const satisfies Record<string, { label: string; of: readonly RunState[] }>

/** Reads it; what does not fit (an old or edited address) is left out. */
export function readRunsSearch(search: Record<string, unknown>): RunsSearch {
  const { state, recipe, days } = search
  return {
    ...(typeof state === 'string' && Object.hasOwn(shownStates, state) && { state: state as keyof typeof shownStates }),
    ...(typeof recipe === 'string' && recipe !== '' && { recipe }),
    ...(typeof days === 'number' && days > 0 && { days }),
  }
}
