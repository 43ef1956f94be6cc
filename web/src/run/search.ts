// What the address of a run says: which of its tables is shown, filtered and
// sorted how, and where in it one is. Whoever is given the address sees the same.
import { decode, encode, type Filter } from '@/lib/filters'
import type { Sort } from '@/table/header'

export type Side = 'left' | 'right'

/** The tables of a run's evidence. */
export type Table = 'matched' | 'unmatched_left' | 'unmatched_right' | 'breaks' | 'candidates'

export const tables: readonly Table[] = ['matched', 'unmatched_left', 'unmatched_right', 'breaks', 'candidates']

/** A record by its side and its key as the evidence writes it. */
export interface RecordRef {
  side: Side
  key: string
}

/** The view of a table. */
export interface View {
  /** Undefined: the result as a whole. */
  table: Table | undefined
  search: string
  filters: Filter[]
  sort: Sort | undefined
  /** Position of the row that one is at. */
  at: number | undefined
  /** The record that is open beside the table. */
  record: RecordRef | undefined
}

/** The whole of a table, from its beginning. */
export function viewOf(table: Table | undefined, filters: Filter[] = []): View {
  return { table, search: '', filters, sort: undefined, at: undefined, record: undefined }
}

const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

/** Reads a view; what does not fit (an old or edited address) is left out. */
export function readView(search: Record<string, unknown>): View {
  const sort = text(search['sort'])
  const at = Number(text(search['at']) || NaN)
  const record = /^(left|right)\/(.+)$/s.exec(text(search['record']))
  return {
    table: tables.find((t) => t === search['tab']),
    search: text(search['q']),
    filters: decode(text(search['f'])),
    sort: sort ? { column: sort.replace(/^-/, ''), descending: sort.startsWith('-') } : undefined,
    at: Number.isInteger(at) && at >= 0 ? at : undefined,
    record: record ? { side: record[1] as Side, key: record[2] ?? '' } : undefined,
  }
}

/** Writes a view; what is as at first is not written. */
export function writeView(view: View): Record<string, string | number> {
  const { table, search, filters, sort, at, record } = view
  return {
    ...(table && { tab: table }),
    ...(search && { q: search }),
    ...(filters.length > 0 && { f: encode(filters) }),
    ...(sort && { sort: (sort.descending ? '-' : '') + sort.column }),
    ...(at !== undefined && { at }),
    ...(record && { record: `${record.side}/${record.key}` }),
  }
}

/** The filters with the one on a column being that it is one of the values; without it where there are none. */
export function withChoice(filters: readonly Filter[], column: string, values: string[]): Filter[] {
  const rest = filters.filter((f) => f.column !== column)
  return values.length === 0 ? rest : [...rest, { column, op: 'in', values }]
}

/** The values that a column is filtered by; none where it is not. */
export function choiceOf(filters: readonly Filter[], column: string): string[] {
  return filters.find((f) => f.column === column && (f.op === 'in' || f.op === 'eq'))?.values ?? []
}
