import { isActive, type Run as RunType, type Schema } from '@/lib/api'
import { useCommands, type Command } from '@/lib/commands'
import type { Filter } from '@/lib/filters'
import { RunActions } from '@/run/actions'
import { CompareDialog } from '@/run/compare-dialog'
import { RecipeAsRun, RunDetails, RunFacts } from '@/run/details'
import { ExportDialog } from '@/run/export'
import { runQuery } from '@/run/live'
import { manifestQuery, tableRows } from '@/run/manifest'
import { RunEnded, RunProgress, useLive } from '@/run/progress'
import { Result } from '@/run/result'
import { readView, tables, viewOf, writeView, type Table, type View } from '@/run/search'
import { RecordSheet } from '@/run/sheet'
import { RecordsTable } from '@/run/table'
import { labelOf } from '@/run/words'
import { Page } from '@/shell/page'
import { ErrorState, Loading } from '@/ui/states'
import { Status } from '@/ui/status'
import { Tabs } from '@/ui/tabs'
import { DateTime } from '@/ui/values'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useCallback, useMemo, useState } from 'react'

const route = getRouteApi('/runs/$id')
const crumbs = [{ label: 'Runs', to: '/runs' }]

/** A run: how far it is, then what came out, then its records. */
export function Run() {
  const { id } = route.useParams()
  const run = useQuery(runQuery(id))
  if (run.isPending)
    return (
      <Page title="Run" crumbs={crumbs}>
        <Loading />
      </Page>
    )
  if (run.isError)
    return (
      <Page title="Run" crumbs={crumbs}>
        <ErrorState error={run.error} onRetry={() => void run.refetch()} />
      </Page>
    )
  return <OneRun key={id} run={run.data} />
}

function OneRun({ run }: { run: RunType }) {
  const { live, lost } = useLive(run)
  const view = readView(route.useSearch())
  const navigate = useNavigate()
  const [open, setOpen] = useState<'export' | 'compare'>()
  const onView = useCallback(
    (next: View, replace = false) =>
      void navigate({
        to: '/runs/$id',
        params: { id: run.run_id },
        search: writeView(next) as never,
        replace,
        resetScroll: false,
      }),
    [navigate, run.run_id],
  )
  const done = run.status === 'completed'
  const inTable = view.table !== undefined
  const commands = useMemo<Command[]>(
    () => [
      ...(done
        ? [
            { id: 'run.export', label: 'Export the run', group: 'This page', keys: 'e', run: () => setOpen('export') },
            { id: 'run.compare', label: 'Compare with another run', group: 'This page', run: () => setOpen('compare') },
          ]
        : []),
      ...(inTable
        ? [
            {
              id: 'run.back',
              label: 'Back to the result',
              group: 'This page',
              keys: 'Escape',
              run: () => onView(viewOf(undefined)),
            },
          ]
        : []),
    ],
    [done, inTable, onView],
  )
  useCommands(commands)
  const summary = done ? run.summary : undefined
  return (
    <Page
      title={run.recipe_name ?? run.recipe_id}
      crumbs={crumbs}
      aside={<Status state={done && run.under_target ? 'under_target' : live.status} />}
      actions={<RunActions run={run} onExport={() => setOpen('export')} onCompare={() => setOpen('compare')} />}
      about={
        <>
          Run of <DateTime value={run.created_at} />
          {run.created_by && ` by ${run.created_by}`}
        </>
      }
      fill={summary !== undefined && inTable}
    >
      {summary ? (
        <Completed run={run} summary={summary} view={view} onView={onView} />
      ) : (
        <div className="flex flex-col gap-4">
          {isActive(run) ? <RunProgress run={run} live={live} lost={lost} /> : <RunEnded run={run} />}
          <section className="card p-4" aria-label="How it runs">
            <RunFacts run={run} />
          </section>
          <section className="card p-4" aria-label="Recipe as it ran">
            <RecipeAsRun run={run} />
          </section>
        </div>
      )}
      {open === 'export' && summary && (
        <ExportDialog
          run={run}
          summary={summary}
          table={view.table}
          narrowed={view.search !== '' || view.filters.length > 0}
          close={() => setOpen(undefined)}
        />
      )}
      {open === 'compare' && <CompareDialog run={run} close={() => setOpen(undefined)} />}
    </Page>
  )
}

function Completed({
  run,
  summary,
  view,
  onView,
}: {
  run: RunType
  summary: Schema<'Summary'>
  view: View
  onView: (view: View, replace?: boolean) => void
}) {
  const manifest = useQuery({ ...manifestQuery(run.run_id) })
  const { table } = view
  const breaks = Object.values(summary.breaks).reduce((all, n) => all + n, 0)
  const counts: Partial<Record<Table, number>> = {
    matched: summary.pairs,
    unmatched_left: summary.left.unmatched,
    unmatched_right: summary.right.unmatched,
    breaks,
    ...(manifest.data && { candidates: tableRows(manifest.data, 'candidates') }),
  }
  const goTo = (to: Table, filters: Filter[] = []) => onView(viewOf(to, filters))
  return (
    <>
      <Tabs
        label="Result and records"
        value={table ?? 'result'}
        onChange={(to) => onView(viewOf(tables.find((t) => t === to)))}
        tabs={[
          {
            value: 'result',
            label: 'Result',
            content: (
              <>
                <Result run={run} summary={summary} goTo={goTo} />
                <RunDetails run={run} summary={summary} />
              </>
            ),
          },
          ...tables.map((t) => ({
            value: t,
            label: labelOf(t, summary),
            ...(counts[t] !== undefined && { count: counts[t] }),
            content: manifest.data ? (
              <RecordsTable
                run={run}
                summary={summary}
                manifest={manifest.data}
                view={{ ...view, table: t }}
                onView={onView}
              />
            ) : manifest.isError ? (
              <ErrorState error={manifest.error} onRetry={() => void manifest.refetch()} />
            ) : (
              <Loading label="Loading the table" />
            ),
          })),
        ]}
      />
      {view.record && manifest.data && (
        <RecordSheet
          run={run}
          summary={summary}
          manifest={manifest.data}
          view={{ ...view, record: view.record }}
          onView={onView}
        />
      )}
    </>
  )
}
