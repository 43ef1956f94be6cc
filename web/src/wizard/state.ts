// What was chosen and changed on the way to a new reconciliation. It survives a
// reload, and ends with the browser's tab.
import type { Schema } from '@/lib/api'
import type { Filter } from '@/lib/filters'
import type { Evidence } from '@/recipes/api'
import type { Condition, Pass, RecipeDocument } from '@/recipes/model'
import { useCallback, useEffect, useReducer } from 'react'

export type Side = 'left' | 'right'
export type Step = 'sources' | 'rules' | 'parameters' | 'review'

export const steps: readonly { id: Step; label: string }[] = [
  { id: 'sources', label: 'Sources' },
  { id: 'rules', label: 'Rules' },
  { id: 'parameters', label: 'Parameters' },
  { id: 'review', label: 'Review and run' },
]

/** What a person said of a proposal, by the id of its evidence or of an alternative, with its words. */
export interface Named {
  id: string
  what: string
}

/** What the next proposal is to do without, and what it is to take in the place of what it chose. */
export interface Guidance {
  without: Named[]
  choose: Named[]
}

export const unguided: Guidance = { without: [], choose: [] }

/** Filters that a proposal suggests, since leaving records out is a person's decision. */
export type Suggested = Schema<'JobDraftSuggestion'>

/** Rules that were proposed, and what became of them. */
export interface Rules {
  /** What they were proposed for: see scopeOf. */
  scope: string
  evidence: Evidence[]
  suggestions: Suggested[]
  guidance: Guidance
  proposed: Pass[]
  /** With all passes, also those that are off. */
  recipe: RecipeDocument
  /** Whether the pass at that place is left out. */
  off: boolean[]
}

export interface WizardState {
  step: Step
  sources: Partial<Record<Side, string>>
  filters: Record<Side, Filter[]>
  rules: Rules | undefined
  /** Empty for those that are made of the sources. */
  name: string
  id: string
  target: string
  values: Record<string, string>
}

export const begin: WizardState = {
  step: 'sources',
  sources: {},
  filters: { left: [], right: [] },
  rules: undefined,
  name: '',
  id: '',
  target: '',
  values: {},
}

export type Action =
  | { do: 'go'; step: Step }
  | { do: 'choose'; side: Side; alias: string | undefined }
  | { do: 'swap' }
  | { do: 'scope'; side: Side; filters: Filter[] }
  | { do: 'propose'; rules: Rules }
  | { do: 'change'; recipe: RecipeDocument }
  | { do: 'pass'; at: number; pass: Pass }
  | { do: 'switch'; at: number; on: boolean }
  | { do: 'add'; pass: Pass }
  | { do: 'remove'; at: number }
  | { do: 'answer'; answers: Partial<Pick<WizardState, 'name' | 'id' | 'target' | 'values'>> }
  | { do: 'restart' }

/** What rules are proposed for: the sources and their filters. */
export function scopeOf(state: Pick<WizardState, 'sources' | 'filters'>): string {
  return JSON.stringify([state.sources.left, state.sources.right, state.filters.left, state.filters.right])
}

/** Whether the rules are those of the sources as they are scoped now. */
export function proposed(state: WizardState): state is WizardState & { rules: Rules } {
  return state.rules !== undefined && state.rules.scope === scopeOf(state)
}

function withRules(state: WizardState, change: (rules: Rules) => Partial<Rules>): WizardState {
  return state.rules ? { ...state, rules: { ...state.rules, ...change(state.rules) } } : state
}

const passesOf = (rules: Rules) => rules.recipe.match ?? []

export function reduce(state: WizardState, action: Action): WizardState {
  switch (action.do) {
    case 'go':
      return { ...state, step: action.step }
    case 'choose': {
      const other: Side = action.side === 'left' ? 'right' : 'left'
      const kept = state.sources[other]
      const sources = {
        ...(kept !== undefined && { [other]: kept }),
        ...(action.alias !== undefined && { [action.side]: action.alias }),
      }
      return { ...state, sources, filters: { ...state.filters, [action.side]: [] } }
    }
    case 'swap': {
      const { left, right } = state.sources
      return {
        ...state,
        sources: { ...(right !== undefined && { left: right }), ...(left !== undefined && { right: left }) },
        filters: { left: state.filters.right, right: state.filters.left },
      }
    }
    case 'scope':
      return { ...state, filters: { ...state.filters, [action.side]: action.filters } }
    case 'propose':
      return { ...state, step: 'rules', rules: action.rules, name: '', id: '', values: {} }
    case 'change':
      return withRules(state, () => ({ recipe: action.recipe }))
    case 'pass':
      return withRules(state, (r) => ({
        recipe: { ...r.recipe, match: passesOf(r).map((p, i) => (i === action.at ? action.pass : p)) },
      }))
    case 'switch':
      return withRules(state, (r) => ({
        off: passesOf(r).map((_, i) => (i === action.at ? !action.on : (r.off[i] ?? false))),
      }))
    case 'add':
      return withRules(state, (r) => ({
        recipe: { ...r.recipe, match: [...passesOf(r), action.pass] },
        off: [...r.off, false],
      }))
    case 'remove':
      return withRules(state, (r) => ({
        recipe: { ...r.recipe, match: passesOf(r).filter((_, i) => i !== action.at) },
        off: r.off.filter((_, i) => i !== action.at),
      }))
    case 'answer':
      return { ...state, ...action.answers }
    case 'restart':
      return begin
  }
}

/** The recipe with the passes that are used. */
export function recipeOf(rules: Rules): RecipeDocument {
  return { ...rules.recipe, match: passesOf(rules).filter((_, i) => !rules.off[i]) }
}

/** What speaks for a pass: only as long as it is the one that was proposed. */
export function evidenceOfPass(rules: Rules, pass: Pass): Evidence | undefined {
  const at = rules.proposed.findIndex((p) => p.name === pass.name)
  return rules.evidence.find((e) => at >= 0 && e.path === `match[${at}]`)
}

/** What speaks for a condition, as long as nobody changed it: said once, where it first stands. */
export function evidenceOf(rules: Rules, pass: Pass, condition: Condition): Evidence | undefined {
  const as = JSON.stringify(condition)
  const order = [...rules.proposed.entries()].sort(
    ([, a], [, b]) => Number(b.name === pass.name) - Number(a.name === pass.name),
  )
  for (const [i, p] of order)
    for (const [j, c] of (p.when ?? []).entries()) {
      const found = rules.evidence.find((e) => e.path === `match[${i}].when[${j}]`)
      if (found && JSON.stringify(c) === as) return found
    }
  return undefined
}

const stored = 'kalla.wizard'

function recallState(): WizardState {
  try {
    const text = sessionStorage.getItem(stored)
    const found = text === null ? undefined : (JSON.parse(text) as Partial<WizardState>)
    // What an older version of the app left has other fields.
    if (found && steps.some((s) => s.id === found.step) && found.sources && found.filters && found.values) {
      const { rules } = found as { rules?: Partial<Rules> }
      return { ...begin, ...found, ...(!rules?.guidance && { rules: undefined }) }
    }
  } catch {
    // Storage may be forbidden, or hold something else.
  }
  return begin
}

/** The state of the wizard, kept in the tab. */
export function useWizard() {
  const [state, dispatch] = useReducer(reduce, undefined, recallState)
  useEffect(() => {
    try {
      sessionStorage.setItem(stored, JSON.stringify(state))
    } catch {
      // Then a reload begins anew.
    }
  }, [state])
  /** Forgets everything; also what the last state would leave when the page goes. */
  const restart = useCallback(() => dispatch({ do: 'restart' }), [])
  return { state, dispatch, restart }
}
