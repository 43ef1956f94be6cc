import { api, type Run } from '@/lib/api'
import { count, percent } from '@/lib/format'
import { data } from '@/lib/http'
import { ChangesTable } from '@/run/changes'
import { changes, readChange, writeChange, type Change } from '@/run/change'
import { runQuery } from '@/run/live'
import type { Side } from '@/run/search'
import { Page } from '@/shell/page'
import { cx } from '@/ui/cx'
import { ErrorState, Loading } from '@/ui/states'
import { DateTime } from '@/ui/values'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'

const route = getRouteApi('/runs/$id/compare/$other')

/** What changed from one run of a recipe to another, record by record. */
export function Compare() {
  const { id, other } = route.useParams()
  const search = readChange(route.useSearch())
  const navigate = useNavigate()
  const before = useQuery(runQuery(id))
  const then = useQuery(runQuery(other))
  const comparison = useQuery({
    queryKey: ['run', id, 'compare', other],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/runs/{run_id}/compare/{other_id}', {
          params: { path: { run_id: id, other_id: other } },
          signal,
        }),
      ),
    staleTime: Infinity,
  })
  const error = before.error ?? then.error ?? comparison.error
  const crumbs = [
    { label: 'Runs', to: '/runs' },
    { label: before.data?.recipe_name ?? before.data?.recipe_id ?? 'Run', to: `/runs/${encodeURIComponent(id)}` },
  ]
  const ready = before.data?.summary && then.data?.summary && comparison.data
  return (
    <Page
      title="What changed"
      crumbs={crumbs}
      about="From one run of the recipe to another. Records are told apart by their primary key; choose a count to see its records."
      fill={search.change !== undefined && ready !== undefined}
    >
      {error ? (
        <ErrorState
          error={error}
          onRetry={() => {
            void before.refetch()
            void then.refetch()
            void comparison.refetch()
          }}
        />
      ) : ready && before.data && then.data ? (
        <>
          <div className="mb-3 grid gap-3 sm:grid-cols-2">
            <RunCard title="Before" run={before.data} />
            <RunCard title="After" run={then.data} />
          </div>
          <Counts
            aliases={{
              left: then.data.summary?.left.alias ?? 'left',
              right: then.data.summary?.right.alias ?? 'right',
            }}
            counts={comparison.data.counts}
            chosen={search}
            id={id}
            other={other}
          />
          {search.change !== undefined && (
            <ChangesTable
              id={id}
              other={other}
              side={search.side}
              change={search.change}
              search={search.search}
              onSearch={(text) =>
                void navigate({
                  to: '/runs/$id/compare/$other',
                  params: { id, other },
                  search: writeChange({ ...search, search: text }) as never,
                  replace: true,
                })
              }
            />
          )}
        </>
      ) : (
        <Loading label="Comparing the runs" />
      )}
    </Page>
  )
}

function RunCard({ title, run }: { title: string; run: Run }) {
  return (
    <Link
      to="/runs/$id"
      params={{ id: run.run_id }}
      className="card flex flex-wrap items-baseline gap-x-4 px-4 py-2.5 text-sm hover:bg-hover"
    >
      <span className="text-xs text-muted">{title}</span>
      <span className="flex-1 font-medium">
        <DateTime value={run.created_at} />
      </span>
      <span className="num font-semibold">{run.match_rate === undefined ? '' : percent(run.match_rate)}</span>
      <span className="num text-xs text-muted">
        {count(run.unmatched_left_count)} + {count(run.unmatched_right_count)} unmatched
      </span>
    </Link>
  )
}

function Counts({
  aliases,
  counts,
  chosen,
  id,
  other,
}: {
  aliases: Record<Side, string>
  counts: Record<string, Record<string, number>>
  chosen: { side: Side; change: Change | undefined }
  id: string
  other: string
}) {
  return (
    <div className="mb-4 overflow-x-auto" role="region" aria-label="Changes in figures" tabIndex={0}>
      <table className="w-full max-w-3xl text-sm">
        <thead>
          <tr className="text-xs text-muted">
            <th scope="col" className="border-b border-line py-1 text-left font-medium">
              Change
            </th>
            {(['left', 'right'] as const).map((side) => (
              <th key={side} scope="col" className="border-b border-line py-1 pl-4 text-right font-medium">
                {aliases[side]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {changes.map(({ id: change, label, about }) => (
            <tr key={change}>
              <th scope="row" className="border-b border-line py-1.5 text-left font-normal">
                <span className="font-medium">{label}</span>{' '}
                <span className="text-xs text-muted max-sm:hidden">{about}</span>
              </th>
              {(['left', 'right'] as const).map((side) => {
                const n = counts[side]?.[change] ?? 0
                const here = chosen.change === change && chosen.side === side
                return (
                  <td key={side} className="num border-b border-line py-1 pl-4 text-right">
                    {n === 0 ? (
                      <span className="px-1.5 text-muted">0</span>
                    ) : (
                      <Link
                        to="/runs/$id/compare/$other"
                        params={{ id, other }}
                        search={writeChange({ side, change, search: '' }) as never}
                        aria-current={here ? 'true' : undefined}
                        resetScroll={false}
                        className={cx(
                          'rounded-sm px-1.5 py-0.5 underline decoration-line-strong underline-offset-4 hover:text-accent',
                          here && 'bg-accent-soft font-medium text-accent',
                        )}
                      >
                        {count(n)}
                      </Link>
                    )}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
