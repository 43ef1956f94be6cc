import { kindOf, toApi, type Filter, type FilterColumn } from '@/lib/filters'
import type { ApiFilter, Column } from './api'

/** The columns of a source as filters take them. */
export function filterColumns(columns: readonly Column[]): FilterColumn[] {
  return columns.map((c) => ({ id: c.name, label: c.name, kind: kindOf(c.data_type), nullable: c.nullable }))
}

/** Filters as the API takes them; those on columns that are not there are left out. */
export function apiFilters(filters: readonly Filter[], columns: readonly FilterColumn[]): ApiFilter[] {
  const byId = new Map(columns.map((c) => [c.id, c]))
  return filters.flatMap((f) => {
    const column = byId.get(f.column)
    return column ? [toApi(f, column)] : []
  })
}
