// The records of a run as rows of a table: pages are asked for by their place,
// with the columns that are shown and no others, which makes them much faster.
import { api } from '@/lib/api'
import { toApi, type Filter, type FilterColumn } from '@/lib/filters'
import { data } from '@/lib/http'
import type { RowSource } from '@/lib/rows'
import type { Table, View } from './search'

/** A row: its values by column, as far as they were asked for. */
export interface RecordRow {
  value: (column: string) => string | null | undefined
}

/** What a list of records depends on, without where one is in it. */
export interface Listing {
  runId: string
  table: Table
  view: Pick<View, 'search' | 'filters' | 'sort'>
  filterable: readonly FilterColumn[]
}

function queryOf({ table, view, filterable }: Listing) {
  const { search, sort } = view
  const filters = filterText(view.filters, filterable)
  return {
    table,
    ...(search && { q: search }),
    ...(filters && { filter: filters }),
    ...(sort && { sort: JSON.stringify([{ column: sort.column, desc: sort.descending }]) }),
  }
}

/** The filters as the API takes them; empty where there are none. One on a column that is not there is the server's to refuse. */
export function filterText(filters: readonly Filter[], filterable: readonly FilterColumn[]): string {
  if (filters.length === 0) return ''
  const columnOf = (id: string) => filterable.find((c) => c.id === id) ?? { id, label: id, kind: 'text' as const }
  return JSON.stringify(filters.map((f) => toApi(f, columnOf(f.column))))
}

/** Values by the name of their column. */
export function rowsOf(page: {
  columns: { name: string }[] | null
  rows: ((string | null)[] | null)[] | null
}): RecordRow[] {
  const at = new Map((page.columns ?? []).map((c, i) => [c.name, i]))
  return (page.rows ?? []).map((cells) => ({
    value: (column) => {
      const i = at.get(column)
      return i === undefined ? undefined : cells?.[i]
    },
  }))
}

/** Rows from a place on. */
export async function fetchRows(
  list: Listing,
  range: { from: number; limit: number; columns: readonly string[]; count?: boolean },
  signal: AbortSignal,
) {
  const { from, limit, columns, count = false } = range
  const page = await data(
    api.GET('/api/runs/{run_id}/records', {
      params: {
        path: { run_id: list.runId },
        query: {
          ...queryOf(list),
          from,
          limit,
          count,
          ...(columns.length > 0 && { columns: JSON.stringify(columns) }),
        },
      },
      signal,
    }),
  )
  return { rows: rowsOf(page), total: page.total ?? undefined, next: page.next }
}

/** The list as a source of rows; columns answers which are wanted now. */
export function recordRows(list: Listing, columns: () => readonly string[]): RowSource<RecordRow> {
  // A text may be rare: the first page comes before it was looked for to the end.
  const searching = list.view.search !== ''
  return {
    seekable: true,
    fetch: ({ offset, limit, signal }) =>
      fetchRows(list, { from: offset, limit, columns: columns(), count: offset === 0 && !searching }, signal),
    count: async (signal) => {
      const { total } = await fetchRows(
        list,
        { from: 0, limit: 1, columns: columns().slice(0, 1), count: true },
        signal,
      )
      return total ?? 0
    },
  }
}
