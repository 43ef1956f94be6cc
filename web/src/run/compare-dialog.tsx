import { api, type Run } from '@/lib/api'
import { count, percent } from '@/lib/format'
import { data } from '@/lib/http'
import { Dialog } from '@/ui/dialog'
import { EmptyState, ErrorState, Loading } from '@/ui/states'
import { DateTime } from '@/ui/values'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

/** Chooses another run of the recipe; the older of the two is the one before. */
export function CompareDialog({ run, close }: { run: Run; close: () => void }) {
  const runs = useQuery({
    queryKey: ['runs', 'of', run.recipe_id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/runs', {
          params: { query: { recipe_id: run.recipe_id, status: ['completed'], limit: 100 } },
          signal,
        }),
      ),
  })
  const others = (runs.data ?? []).filter((other) => other.run_id !== run.run_id)
  return (
    <Dialog
      open
      onOpenChange={(open) => open || close()}
      title="Compare with another run"
      description={`Completed runs of ${run.recipe_name ?? run.recipe_id}, newest first.`}
    >
      {runs.isPending ? (
        <Loading label="Loading the runs" />
      ) : runs.isError ? (
        <ErrorState error={runs.error} small onRetry={() => void runs.refetch()} />
      ) : others.length === 0 ? (
        <EmptyState title="No other run yet" small>
          Run the recipe again, and what changed can be told record by record.
        </EmptyState>
      ) : (
        <ul>
          {others.map((other) => {
            const earlier = Date.parse(other.created_at) < Date.parse(run.created_at)
            const [id, then] = earlier ? [other.run_id, run.run_id] : [run.run_id, other.run_id]
            return (
              <li key={other.run_id} className="border-b border-line last:border-0">
                <Link
                  to="/runs/$id/compare/$other"
                  params={{ id, other: then }}
                  className="flex flex-wrap items-baseline gap-x-4 rounded-md px-2 py-2 text-sm hover:bg-hover"
                >
                  <span className="flex-1 font-medium">
                    <DateTime value={other.created_at} />
                    <span className="ml-2 text-xs font-normal text-muted">{earlier ? 'earlier' : 'later'}</span>
                  </span>
                  <span className="num">{other.match_rate === undefined ? '' : percent(other.match_rate)}</span>
                  <span className="num text-xs text-muted">
                    {count(other.unmatched_left_count)} + {count(other.unmatched_right_count)} unmatched
                  </span>
                </Link>
              </li>
            )
          })}
        </ul>
      )}
    </Dialog>
  )
}
