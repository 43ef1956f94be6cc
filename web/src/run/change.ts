// What becomes of records from one run to another, and which of it an address names.
import type { Side } from './search'

export const changes = [
  { id: 'newly_matched', label: 'Newly matched', about: 'was unmatched, is matched' },
  { id: 'came_apart', label: 'Came apart', about: 'was matched, is unmatched' },
  { id: 'matched_to_other', label: 'Matched differently', about: 'is matched to other records than before' },
  { id: 'reason_changed', label: 'Reason changed', about: 'is unmatched for another reason' },
  { id: 'new', label: 'New', about: 'was not in the source before' },
  { id: 'gone', label: 'Gone', about: 'is not in the source any more' },
] as const

export type Change = (typeof changes)[number]['id']

export interface ChangeView {
  side: Side
  change: Change | undefined
  search: string
}

/** Reads which list is shown. */
export function readChange(search: Record<string, unknown>): ChangeView {
  const q = search['q']
  return {
    side: search['side'] === 'right' ? 'right' : 'left',
    change: changes.find((c) => c.id === search['change'])?.id,
    search: typeof q === 'string' || typeof q === 'number' ? String(q) : '',
  }
}

/** Writes which list is shown. */
export function writeChange({ side, change, search }: ChangeView): Record<string, string> {
  return { side, ...(change && { change }), ...(search && { q: search }) }
}
