import { Ageing, AmountHistogram, PassWaterfall, Proof, ReasonBars } from '@/charts'
import { api, type Run, type Schema } from '@/lib/api'
import { compare } from '@/lib/decimal'
import { count, percent } from '@/lib/format'
import { data } from '@/lib/http'
import { Problem } from '@/lib/problem'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Note } from '@/ui/status'
import { Stat, Stats } from '@/ui/values'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { CountLink, type GoTo } from './count-link'
import { Currencies } from './currencies'
import { ageColumn, columnsOf, manifestQuery, reasonColumn, unmatchedOf, type Manifest } from './manifest'
import type { Side } from './search'

type Summary = Schema<'Summary'>

export interface ResultProps {
  run: Run
  summary: Summary
  goTo: GoTo
}

/** What came out, every figure a way to its records. */
export function Result({ run, summary, goTo }: ResultProps) {
  const manifest = useQuery(manifestQuery(run.run_id))
  return (
    <div className="flex flex-col gap-4">
      <Figures run={run} summary={summary} />
      {summary.warnings && summary.warnings.length > 0 && (
        <Note tone="warn" title={summary.warnings.length === 1 ? 'A warning' : 'Warnings'}>
          <ul className={summary.warnings.length > 1 ? 'list-disc pl-4' : ''}>
            {summary.warnings.map((w, i) => (
              <li key={i}>{w}</li>
            ))}
          </ul>
        </Note>
      )}
      {manifest.isError ? (
        <div className="card">
          <ErrorState error={manifest.error} onRetry={() => void manifest.refetch()} />
        </div>
      ) : (
        manifest.data && <Charts run={run} summary={summary} manifest={manifest.data} goTo={goTo} />
      )}
      {manifest.isPending && (
        <Loading label="Loading the charts">
          <div className="grid gap-4 lg:grid-cols-2">
            <Skeleton className="h-72" />
            <Skeleton className="h-72" />
          </div>
        </Loading>
      )}
    </div>
  )
}

function Figures({ run, summary }: { run: Run; summary: Summary }) {
  const { left, right } = summary
  const id = run.run_id
  const breaks = Object.values(summary.breaks).reduce((all, n) => all + n, 0)
  const under = run.target !== undefined && compare(summary.match_rate, run.target) < 0
  return (
    <section className="card px-4 py-4 sm:px-5" aria-label="Result in figures">
      <Stats>
        <Stat
          label="Match rate"
          value={<span className={under ? 'text-warn' : undefined}>{percent(summary.match_rate)}</span>}
          detail={
            run.target === undefined ? (
              'no target set'
            ) : (
              <>
                target {percent(run.target)}
                {under ? ': missed' : ': reached'}
              </>
            )
          }
        />
        <Stat
          label="Matched pairs"
          value={<CountLink id={id} table="matched" n={summary.pairs} />}
          detail={`${count(summary.matches)} matches`}
        />
        <Stat
          label={`Unmatched ${left.alias}`}
          value={<CountLink id={id} table="unmatched_left" n={left.unmatched} />}
          detail={`of ${count(left.total)}`}
        />
        <Stat
          label={`Unmatched ${right.alias}`}
          value={<CountLink id={id} table="unmatched_right" n={right.unmatched} />}
          detail={`of ${count(right.total)}`}
        />
        {breaks > 0 && (
          <Stat
            label="Breaks"
            value={<CountLink id={id} table="breaks" n={breaks} />}
            detail="matched, but a field differs"
          />
        )}
        {summary.ambiguous > 0 && (
          <Stat
            label="Ambiguous matches"
            value={
              <CountLink
                id={id}
                table="matched"
                filters={[{ column: 'ambiguous', op: 'eq', values: ['true'] }]}
                n={summary.ambiguous}
              />
            }
            detail="several fitted equally well"
          />
        )}
      </Stats>
    </section>
  )
}

function Card({ children }: { children: ReactNode }) {
  return <section className="card min-w-0 p-4">{children}</section>
}

const sides: readonly Side[] = ['left', 'right']

function Charts({ run, summary, manifest, goTo }: ResultProps & { manifest: Manifest }) {
  const id = run.run_id
  const { left, right } = summary
  const currencies = useQuery({
    queryKey: ['run', id, 'currencies'],
    queryFn: async ({ signal }) => {
      const [l, r] = await Promise.all(
        sides.map((side) =>
          data(
            api.GET('/api/runs/{run_id}/charts/currencies', {
              params: { path: { run_id: id }, query: { side } },
              signal,
            }),
          ),
        ),
      )
      return { left: l ?? [], right: r ?? [] }
    },
    staleTime: Infinity,
  })
  const codes = new Set(
    [...(currencies.data?.left ?? []), ...(currencies.data?.right ?? [])].map((c) => c.currency ?? ''),
  )
  const only = codes.size === 1 ? ([...codes][0] ?? '') : ''
  return (
    <div className="grid gap-4 lg:grid-cols-2">
      <Card>
        <Proof left={left} right={right} currency={only} />
        {codes.size > 1 && (
          <p className="mt-3 text-xs text-muted">
            The sums add amounts of {count(codes.size)} currencies as plain numbers: they prove that no record was lost.
            By currency they are further down.
          </p>
        )}
      </Card>
      <Card>
        <PassWaterfall
          side={left.alias}
          total={left.total}
          passes={(summary.passes ?? []).map((p) => ({ name: p.name, matched: p.left }))}
          onPick={(pass) => goTo('matched', [{ column: 'pass', op: 'in', values: [pass] }])}
          onPickRest={() => goTo('unmatched_left')}
        />
      </Card>
      {sides.map((side) => (
        <Card key={side}>
          <Reasons id={id} side={side} summary={summary} manifest={manifest} goTo={goTo} />
        </Card>
      ))}
      <Card>
        <Differences id={id} />
      </Card>
      <Card>
        <Ages id={id} manifest={manifest} goTo={goTo} />
      </Card>
      {currencies.data && codes.size > 0 && (
        <section className="card min-w-0 p-4 lg:col-span-2">
          <Currencies id={id} manifest={manifest} figures={currencies.data} />
        </section>
      )}
    </div>
  )
}

function Reasons({
  id,
  side,
  summary,
  manifest,
  goTo,
}: {
  id: string
  side: Side
  summary: Summary
  manifest: Manifest
  goTo: GoTo
}) {
  const sums = useQuery({
    queryKey: ['run', id, 'reasons', side],
    queryFn: ({ signal }) =>
      data(api.GET('/api/runs/{run_id}/charts/reasons', { params: { path: { run_id: id }, query: { side } }, signal })),
    staleTime: Infinity,
  })
  const table = unmatchedOf(side)
  const sumOf = new Map((sums.data ?? []).map((r) => [r.reason, r.sum]))
  return (
    <ReasonBars
      side={summary[side].alias}
      reasons={Object.entries(summary.reasons[side] ?? {}).map(([reason, n]) => ({
        reason,
        count: n,
        sum: sumOf.get(reason) ?? undefined,
      }))}
      onPick={(reason) =>
        goTo(table, [{ column: reasonColumn(columnsOf(manifest, table)), op: 'in', values: [reason] }])
      }
    />
  )
}

// Some recipes compare no amounts, and some sources have no dates: the server says so, and the card says what it says.
function useFigures<T>(key: readonly unknown[], ask: (signal: AbortSignal) => Promise<T>) {
  return useQuery({ queryKey: key, queryFn: ({ signal }) => ask(signal), staleTime: Infinity })
}

function Missing({ title, error, retry }: { title: string; error: unknown; retry: () => void }) {
  if (error instanceof Problem && error.status === 422) {
    return (
      <div>
        <h3 className="text-sm font-semibold">{title}</h3>
        <p className="text-xs text-muted">{error.message}</p>
      </div>
    )
  }
  return <ErrorState error={error} small onRetry={retry} />
}

function Differences({ id }: { id: string }) {
  const figures = useFigures(['run', id, 'differences'], async (signal) =>
    data(api.GET('/api/runs/{run_id}/charts/differences', { params: { path: { run_id: id } }, signal })),
  )
  if (figures.isPending) return <Skeleton className="h-56" />
  if (figures.isError)
    return <Missing title="Differences in amount" error={figures.error} retry={() => void figures.refetch()} />
  return <AmountHistogram bins={figures.data ?? []} />
}

const dayMs = 86_400_000
const day = (end: string, days: string) => new Date(Date.parse(end) - Number(days) * dayMs).toISOString().slice(0, 10)

function ageLabel(from: string | null, to: string | null): string {
  if (from === null && to === null) return 'no date'
  if (from === null) return 'later'
  return to === null ? `${from}+ d` : `${from}–${to} d`
}

function Ages({ id, manifest, goTo }: { id: string; manifest: Manifest; goTo: GoTo }) {
  const figures = useFigures(['run', id, 'ageing'], async (signal) => {
    const [l, r] = await Promise.all(
      sides.map((side) => {
        const column = ageColumn(manifest, side)
        return data(
          api.GET('/api/runs/{run_id}/charts/ageing', {
            params: { path: { run_id: id }, query: { side, ...(column !== undefined && { column }) } },
            signal,
          }),
        )
      }),
    )
    return { left: l ?? [], right: r ?? [] }
  })
  if (figures.isPending) return <Skeleton className="h-56" />
  if (figures.isError)
    return <Missing title="Age of unmatched records" error={figures.error} retry={() => void figures.refetch()} />
  const { left, right } = figures.data
  const longer = left.length >= right.length ? left : right
  return (
    <Ageing
      left={manifest.left.alias}
      right={manifest.right.alias}
      buckets={longer.map((bucket, i) => ({
        label: ageLabel(bucket.from, bucket.to),
        left: left[i]?.count ?? 0,
        right: right[i]?.count ?? 0,
      }))}
      onPick={(i, side) => {
        const column = ageColumn(manifest, side)
        const { from, to } = longer[i] ?? { from: null, to: null }
        if (column === undefined) return
        goTo(unmatchedOf(side), [
          ...(from === null && to === null ? [{ column, op: 'is_null' as const, values: [] }] : []),
          ...(to === null ? [] : [{ column, op: 'gte' as const, values: [day(manifest.ended, to)] }]),
          ...(from === null ? [] : [{ column, op: 'lte' as const, values: [day(manifest.ended, from)] }]),
        ])
      }}
    />
  )
}
