import type { Filter } from '@/lib/filters'
import { FilterChips } from '@/ui/filter-chips'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { LoaderCircle } from 'lucide-react'
import { useMemo } from 'react'
import { sampleQuery, type Column } from './api'
import { apiFilters, filterColumns } from './filter-columns'
import { rowsText, Sample } from './sample'

export interface ScopedSampleProps {
  alias: string
  /** Of the source as last seen; without, those of the sample. */
  columns?: readonly Column[] | null | undefined
  filters: readonly Filter[]
  onFilters: (filters: Filter[]) => void
  limit?: number
  height?: number
}

/** Rows of a source under filters, which take effect at once. */
export function ScopedSample({ alias, columns, filters, onFilters, limit = 100, height = 480 }: ScopedSampleProps) {
  const known = useMemo(() => filterColumns(columns ?? []), [columns])
  const conditions = useMemo(() => apiFilters(filters, known), [filters, known])
  const sample = useQuery({ ...sampleQuery(alias, conditions, limit), placeholderData: keepPreviousData })
  const seen = useMemo(
    () => (columns?.length ? known : filterColumns(sample.data?.columns ?? [])),
    [columns, known, sample.data],
  )
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <div className="flex flex-wrap items-center gap-1.5">
        <FilterChips filters={filters} columns={seen} onChange={onFilters} />
        <span className="num ml-auto flex items-center gap-1.5 text-xs text-muted" aria-live="polite">
          {sample.isFetching && <LoaderCircle size={12} className="animate-spin" aria-label="Loading" />}
          {sample.data && rowsText(sample.data.preview_rows, sample.data.total_rows)}
        </span>
      </div>
      {sample.error ? (
        <ErrorState error={sample.error} onRetry={() => void sample.refetch()} small />
      ) : sample.data ? (
        <Sample
          label={`Sample of ${alias}`}
          columns={sample.data.columns ?? []}
          rows={sample.data.rows ?? []}
          height={height}
        />
      ) : (
        <Loading label="Loading the sample">
          <Skeleton className="h-64 w-full" />
        </Loading>
      )}
    </div>
  )
}
