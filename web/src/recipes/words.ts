// Parts of a recipe in words, for where they are changed. Whole sentences are the server's.
import type { Compare, Condition, Pass, Window, Within } from './model'

/** The cardinalities, with the words of each. */
export const cardinalities = [
  { value: 'one_to_one', label: 'One to one' },
  { value: 'one_to_many', label: 'One to many' },
  { value: 'many_to_one', label: 'Many to one' },
  { value: 'many_to_many', label: 'Many to many' },
]

export function cardinalityWord(pass: Pass): string {
  return cardinalities.find((c) => c.value === pass.cardinality)?.label ?? pass.cardinality ?? 'Every pair'
}

/** The normalisations, with what each does. */
export const normalizations = [
  { value: 'trim', label: 'without spaces at the ends' },
  { value: 'collapse_spaces', label: 'with single spaces' },
  { value: 'upper', label: 'in capitals' },
  { value: 'unaccent', label: 'without accents' },
  { value: 'alnum', label: 'letters and digits only' },
  { value: 'digits', label: 'digits only' },
  { value: 'strip_leading_zeros', label: 'without leading zeros' },
]

const ops: Record<string, string> = {
  eq: 'equals',
  neq: 'differs from',
  gt: 'is more than',
  gte: 'is at least',
  lt: 'is less than',
  lte: 'is at most',
  prefix_of: 'is the beginning of',
  has_prefix: 'begins with',
  contained_in: 'is contained in',
  contains: 'contains',
}

/** The operators of a condition, with the words of each. */
export const conditionOps = Object.entries(ops).map(([value, label]) => ({ value, label }))

/** Both ends of a window as texts. */
export function windowEnds(window: Window): [string, string] {
  if (Array.isArray(window)) return [String(window[0]), String(window[1])]
  return [typeof window === 'number' ? String(-window) : `-${window}`, String(window)]
}

function span(window: Window, unit: string): string {
  const [from, to] = windowEnds(window)
  if (!Array.isArray(window)) return `at most ${to} ${unit} apart from`
  return from === to ? `${to} ${unit} after` : `${from} to ${to} ${unit} after`
}

/** "amount and paid_amount differ by at most 0.02". */
function withinText(left: string, right: string, within: Within): string {
  if (typeof within === 'object') {
    return 'days' in within
      ? `${right} is ${span(within.days, 'days')} ${left}`
      : `${right} is ${span(within.hours, 'hours')} ${left}`
  }
  return `${left} and ${right} differ by at most ${within}`
}

function asRead(normalize: readonly string[] | undefined): string {
  if (!normalize?.length) return ''
  return ` (${normalize.map((n) => normalizations.find((x) => x.value === n)?.label ?? n).join(', ')})`
}

/** A condition in words: "invoice_id equals reference_number (letters and digits only)". */
export function conditionText(c: Condition): string {
  if (c.within !== undefined) return withinText(c.left, c.right, c.within)
  if (c.similar !== undefined) return `${c.left} is at least ${c.similar} similar to ${c.right}${asRead(c.normalize)}`
  return `${c.left} ${ops[c.op ?? 'eq'] ?? c.op} ${c.right}${asRead(c.normalize)}`
}

/** A check of matched pairs in words. */
export function compareText(c: Compare): string {
  return c.within !== undefined
    ? withinText(c.left, c.right, c.within)
    : `${c.left} equals ${c.right}${asRead(c.normalize)}`
}

/** The balance of a group in words. */
export function sumText(sum: NonNullable<Pass['sum']>): string {
  return sum.within === undefined
    ? `the sums of ${sum.left} and ${sum.right} are equal`
    : `the sums of ${sum.left} and ${sum.right} differ by at most ${sum.within}`
}
