// Typed filters: what the API calls a filter, which operators a column's type
// has, how one reads as words, and how a list of them travels in an address.
import { isDecimal } from './decimal'
import { amount, date } from './format'

/** The operators of the API. */
export type Op = 'eq' | 'neq' | 'gt' | 'gte' | 'lt' | 'lte' | 'between' | 'in' | 'like' | 'is_null' | 'not_null'

/** Keeps the records for which it holds. Values are texts, whatever the column's type; between has two, in any number, the null tests none. */
export interface Filter {
  column: string
  op: Op
  values: string[]
}

/** How a column's values are compared and typed in. */
export type Kind = 'text' | 'number' | 'date' | 'timestamp' | 'boolean' | 'choice'

/** A column that can be filtered. */
export interface FilterColumn {
  id: string
  label: string
  kind: Kind
  /** The values of a choice. */
  choices?: { value: string; label: string }[]
  /** Whether values may be missing; offers the null tests. */
  nullable?: boolean
}

/** The kind of a column whose type the API gave: decimal(18,2) is a number. */
export function kindOf(dataType: string): Kind {
  if (/^(integer|decimal|float)/.test(dataType)) return 'number'
  if (dataType === 'date' || dataType === 'boolean') return dataType
  return dataType.startsWith('timestamp') ? 'timestamp' : 'text'
}

const ops: Record<Kind, Op[]> = {
  text: ['eq', 'neq', 'like', 'in'],
  number: ['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'between'],
  date: ['eq', 'gte', 'lte', 'between'],
  timestamp: ['gte', 'lt', 'between'],
  boolean: ['eq'],
  choice: ['in', 'eq', 'neq'],
}

/** The operators that make sense for a column. */
export function opsOf(column: FilterColumn): Op[] {
  return column.nullable ? [...ops[column.kind], 'is_null', 'not_null'] : ops[column.kind]
}

const words: Record<Op, string> = {
  eq: 'is',
  neq: 'is not',
  gt: 'is more than',
  gte: 'is at least',
  lt: 'is less than',
  lte: 'is at most',
  between: 'is between',
  in: 'is one of',
  like: 'contains',
  is_null: 'is empty',
  not_null: 'is not empty',
}

const dateWords: Partial<Record<Op, string>> = { gte: 'is on or after', lte: 'is on or before', lt: 'is before' }

/** The operator as a word: "is at least", for a date "is on or after". */
export function opWord(op: Op, kind: Kind): string {
  return (kind === 'date' || kind === 'timestamp' ? dateWords[op] : undefined) ?? words[op]
}

/** How many values an operator takes; Infinity for any number but none. */
export function arity(op: Op): number {
  if (op === 'is_null' || op === 'not_null') return 0
  if (op === 'between') return 2
  return op === 'in' ? Infinity : 1
}

/** A value as it is shown. */
export function valueText(value: string, column: FilterColumn): string {
  switch (column.kind) {
    case 'number':
      return amountOrInteger(value)
    case 'date':
      return date(value)
    case 'choice':
      return column.choices?.find((c) => c.value === value)?.label ?? value
    default:
      return value
  }
}

function amountOrInteger(value: string): string {
  return isDecimal(value) && value.includes('.') ? amount(value) : value
}

/** "Amount is between 10 and 20", in parts, so that a chip can weigh them. */
export function describe(filter: Filter, column: FilterColumn): { label: string; op: string; value: string } {
  const shown = filter.values.map((v) => valueText(v, column))
  const value = filter.op === 'between' ? shown.join(' and ') : shown.join(', ')
  return { label: column.label, op: opWord(filter.op, column.kind), value }
}

/** What is wrong with a filter, in words; undefined where nothing is. */
export function fault(filter: Filter, column: FilterColumn): string | undefined {
  const wanted = arity(filter.op)
  const { values } = filter
  if (wanted === 0) return undefined
  if (values.length === 0 || values.some((v) => v === ''))
    return wanted === 2 ? 'Both values are needed.' : 'A value is needed.'
  if (wanted === 2 && values.length !== 2) return 'Both values are needed.'
  if (column.kind === 'number' && !values.every(isDecimal))
    return 'Write a number such as 1234.50, with a point and no separators.'
  if (column.kind === 'date' && !values.every((v) => /^\d{4}-\d\d-\d\d$/.test(v))) return 'Write a date as 2026-11-30.'
  return undefined
}

/** The filter as the API takes it. */
export function toApi(filter: Filter, column: FilterColumn): { column: string; op: Op; value?: unknown } {
  const { op } = filter
  if (arity(op) === 0) return { column: filter.column, op }
  // Numbers travel as texts, which the server reads as typed literals: a JSON number would pass through a float.
  const typed = (v: string) =>
    column.kind === 'boolean' ? v === 'true' : op === 'like' ? `%${v.replace(/[\\%_]/g, '\\$&')}%` : v
  const values = filter.values.map(typed)
  return { column: filter.column, op, value: arity(op) === 1 ? values[0] : values }
}

/** A filter of the API as one that is typed in; undefined for a pattern, which need not be one. */
export function fromApi({ column, op, value }: { column: string; op: Op; value?: unknown }): Filter | undefined {
  if (op === 'like') return undefined
  const values: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return { column, op, values: values.map(String) }
}

/** The filters as one text for an address: "amount~gte~10!status~in~a~b". */
export function encode(filters: readonly Filter[]): string {
  const part = (text: string) => text.replace(/[~!%]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  return filters.map((f) => [f.column, f.op, ...f.values].map(part).join('~')).join('!')
}

/** The reverse of encode. What is no filter (an old or edited address) is left out. */
export function decode(text: string): Filter[] {
  const out: Filter[] = []
  for (const piece of text ? text.split('!') : []) {
    const [column, op, ...values] = piece
      .split('~')
      .map((p) => p.replace(/%(7e|21|25)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))))
    if (column && op && op in words) out.push({ column, op: op as Op, values })
  }
  return out
}
