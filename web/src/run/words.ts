// What the evidence says in codes, in words.
import { abs, sign } from '@/lib/decimal'
import { amount, count, decimal, plural } from '@/lib/format'
import { reasonText } from '@/lib/reasons'
import type { Schema } from '@/lib/api'
import { otherSide, sideOf } from './manifest'
import type { Side, Table } from './search'

/** "invoice" of "invoices": what one record of a source is called. */
export function oneOf(alias: string): string {
  const word = alias.replaceAll('_', ' ')
  if (/ies$/.test(word)) return word.replace(/ies$/, 'y')
  return /[^s]s$/.test(word) ? word.slice(0, -1) : `record of ${word}`
}

const kinds: Record<string, string> = {
  one_to_one: '1 : 1',
  one_to_many: '1 : n',
  many_to_one: 'n : 1',
  many_to_many: 'n : n',
  all_pairs: 'all pairs',
}

/** How many records of each side a match joins. */
export function kindText(cardinality: string): string {
  return kinds[cardinality] ?? cardinality
}

export type Condition = Schema<'RecordsCompared'>

/**
 * How the value of the closest candidate differs from that of a record of the side: "16,701.76 less", "13 days later".
 * Empty where nothing was measured, or no difference.
 */
export function differenceText(
  { difference, left_value }: Pick<Condition, 'difference' | 'left_value'>,
  side: Side,
): string {
  if (difference === null || sign(difference) === 0) return ''
  const size = abs(difference)
  const more = sign(difference) > 0 === (side === 'left')
  const order = more ? 'later' : 'earlier'
  if (/^\d{4}-\d\d-\d\d$/.test(left_value ?? '')) return `${plural(Number(size), 'day')} ${order}`
  if (/^\d{4}-\d\d-\d\d[ T]/.test(left_value ?? '')) return `${span(BigInt(size.split('.')[0] ?? '0'))} ${order}`
  return `${size.includes('.') ? amount(size) : decimal(size)} ${more ? 'more' : 'less'}`
}

/** Microseconds in words. */
function span(n: bigint): string {
  const seconds = n / 1_000_000n
  if (seconds < 60n) return `${count(seconds)} s`
  if (seconds < 3600n) return `${count(seconds / 60n)} min`
  return seconds < 172_800n ? `${count(seconds / 3600n)} h` : `${count(seconds / 86_400n)} days`
}

export interface Why {
  side: Side
  reason: string
  closestKey: string | null
  takenBy: string | null
  conditions: readonly Condition[]
}

/** Why a record is unmatched, in a sentence; names are what records of each side are called. */
export function whySentence(
  { reason, closestKey, takenBy, conditions, side }: Why,
  names: Record<Side, string>,
): string {
  const one = names[side]
  const other = names[otherSide(side)]
  const closest = closestKey === null ? '' : `${other} ${closestKey}`
  const failing = conditions.filter((c) => c.holds === false)
  const failed =
    failing.length > 0 ? `does not meet “${failing.map((c) => c.rule).join('”, “')}”` : 'does not meet all conditions'
  const by = failing.map((c) => differenceText(c, side)).find((text) => text !== '')
  switch (reason) {
    case 'no_candidate':
      return closest
        ? `No ${other} agrees with it in what the recipe asks for; the closest, ${closest}, ${failed}.`
        : `No ${other} has anything in common with it that the recipe asks for.`
    case 'amount_differs':
      return `The amount of the closest ${closest} differs${by ? `: it is ${by}` : ''}, which is more than the recipe allows.`
    case 'date_outside_window':
      return `The date of the closest ${closest} is outside the window${by ? `: it is ${by}` : ''}.`
    case 'currency_differs': {
      const pair = failing.find((c) => c.left_value !== c.right_value)
      return `The closest ${closest} is in another currency${pair ? `: ${pair.left_value ?? 'none'} and ${pair.right_value ?? 'none'}` : ''}.`
    }
    case 'value_differs':
      return `The closest ${closest} ${failed}.`
    case 'text_below_threshold':
      return `The text of the closest ${closest} is not similar enough.`
    case 'taken':
      return `The closest ${closest} agrees, but is matched to ${takenBy === null ? `another ${one}` : `${one} ${takenBy}`}.`
    case 'group_does_not_balance':
      return `It belongs to a group with ${closest || `records of the other side`} whose sums are not equal within the tolerance${by ? `: the other side is ${by}` : ''}.`
    case 'ambiguous':
      return `Several records agree with it equally well, and the recipe does not choose between them.`
    case 'bad_key':
      return `Its primary key is empty or not its own, so that it was not matched.`
  }
  return `${reasonText(reason)}.`
}

/** What a table is called. */
export function labelOf(table: Table, sides: Record<Side, { alias: string }>): string {
  const side = sideOf(table)
  if (side !== undefined) return `Unmatched ${sides[side].alias}`
  return { matched: 'Matched', breaks: 'Breaks', candidates: 'Candidates' }[
    table as 'matched' | 'breaks' | 'candidates'
  ]
}
