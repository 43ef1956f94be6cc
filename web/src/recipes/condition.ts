// A condition as its form asks for it, and back.
import { isDecimal } from '@/lib/decimal'
import type { Condition } from './model'
import { windowEnds } from './words'

/** The kinds of condition, one form for each. */
export type ConditionKind = 'compare' | 'amount' | 'percent' | 'days' | 'hours' | 'similar'

export interface ConditionAnswers {
  left: string
  right: string
  kind: ConditionKind
  op: string
  amount: string
  from: string
  to: string
  similar: string
  method: string
  normalize: string[]
}

export const kinds: { value: ConditionKind; label: string }[] = [
  { value: 'compare', label: 'Values compare' },
  { value: 'amount', label: 'Amounts within a tolerance' },
  { value: 'percent', label: 'Amounts within a percentage' },
  { value: 'days', label: 'Dates within days' },
  { value: 'hours', label: 'Times within hours' },
  { value: 'similar', label: 'Texts are similar' },
]

export const newCondition: ConditionAnswers = {
  left: '',
  right: '',
  kind: 'compare',
  op: 'eq',
  amount: '0.02',
  from: '0',
  to: '30',
  similar: '0.9',
  method: 'jaro_winkler',
  normalize: [],
}

/** The form of a condition. */
export function answersOf(c: Condition): ConditionAnswers {
  const base: ConditionAnswers = {
    ...newCondition,
    left: c.left,
    right: c.right,
    op: c.op ?? 'eq',
    normalize: c.normalize ?? [],
  }
  const { within } = c
  if (typeof within === 'object') {
    const [from, to] = windowEnds('days' in within ? within.days : within.hours)
    return { ...base, kind: 'days' in within ? 'days' : 'hours', from, to }
  }
  if (within !== undefined) {
    const text = String(within).trim()
    return text.endsWith('%')
      ? { ...base, kind: 'percent', amount: text.slice(0, -1).trim() }
      : { ...base, kind: 'amount', amount: text }
  }
  if (c.similar !== undefined)
    return { ...base, kind: 'similar', similar: String(c.similar), method: c.method ?? 'levenshtein' }
  return base
}

const isParameter = (text: string) => /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(text)

/** What has to be mended, by field. */
export function faultsOf(a: ConditionAnswers): Partial<Record<keyof ConditionAnswers, string>> {
  const faults: Partial<Record<keyof ConditionAnswers, string>> = {}
  if (a.left === '') faults.left = 'Choose a column.'
  if (a.right === '') faults.right = 'Choose a column.'
  const number = (text: string) => isParameter(text) || (isDecimal(text) && !text.startsWith('-'))
  if ((a.kind === 'amount' || a.kind === 'percent') && !number(a.amount))
    faults.amount = 'Write a number such as 0.02, or a parameter such as ${tolerance}.'
  if (a.kind === 'similar' && !isParameter(a.similar) && !/^(0?\.\d*[1-9]\d*|1(\.0+)?)$/.test(a.similar))
    faults.similar = 'Write a number above 0 and up to 1, such as 0.9.'
  if (a.kind === 'days' || a.kind === 'hours') {
    for (const end of ['from', 'to'] as const)
      if (!isParameter(a[end]) && !/^-?\d{1,6}$/.test(a[end])) faults[end] = 'Write a whole number, or a parameter.'
    if (!faults.from && !faults.to && !isParameter(a.from) && !isParameter(a.to) && Number(a.from) > Number(a.to))
      faults.to = 'The end is before the beginning.'
  }
  return faults
}

/** The condition that the form describes. */
export function conditionOf(a: ConditionAnswers): Condition {
  const sides = { left: a.left, right: a.right }
  const end = (text: string) => (isParameter(text) ? text : Number(text))
  const normalize = a.normalize.length > 0 ? { normalize: a.normalize } : {}
  switch (a.kind) {
    case 'amount':
      return { ...sides, within: a.amount }
    case 'percent':
      return { ...sides, within: `${a.amount}%` }
    case 'days':
      return { ...sides, within: { days: [end(a.from), end(a.to)] } }
    case 'hours':
      return { ...sides, within: { hours: [end(a.from), end(a.to)] } }
    case 'similar':
      return { ...sides, similar: a.similar, method: a.method, ...normalize }
    case 'compare':
      return { ...sides, ...(a.op !== 'eq' && { op: a.op }), ...normalize }
  }
}
