import { useCommands, type Command } from '@/lib/commands'
import { Steps, useNeighbours, useStepKeys } from '@/run/beside'
import { runQuery } from '@/run/live'
import { manifestQuery, unmatchedOf, type Manifest } from '@/run/manifest'
import { Outcome, RecordView, titleOf } from '@/run/record'
import { readView, writeView, type RecordRef, type View } from '@/run/search'
import { labelOf } from '@/run/words'
import { Page } from '@/shell/page'
import { ErrorState, Loading } from '@/ui/states'
import type { Run, Schema } from '@/lib/api'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'

const route = getRouteApi('/runs/$id/records/$side/$key')

/** One record of a run. */
export function RecordPage() {
  const { id, side, key } = route.useParams()
  const run = useQuery(runQuery(id))
  const completed = run.data?.status === 'completed'
  const manifest = useQuery({ ...manifestQuery(id), enabled: completed })
  const crumbs = [
    { label: 'Runs', to: '/runs' },
    { label: run.data?.recipe_name ?? run.data?.recipe_id ?? 'Run', to: `/runs/${encodeURIComponent(id)}` },
  ]
  const error = run.error ?? manifest.error
  if (error)
    return (
      <Page title={key} crumbs={crumbs}>
        <ErrorState
          error={error}
          onRetry={() => {
            void run.refetch()
            void manifest.refetch()
          }}
        />
      </Page>
    )
  if (run.data && !completed)
    return (
      <Page title={key} crumbs={crumbs}>
        <ErrorState error={new Error('The run is not completed, and has no records to show.')} />
      </Page>
    )
  if (!run.data?.summary || !manifest.data)
    return (
      <Page title={key} crumbs={crumbs}>
        <Loading label="Loading the record" />
      </Page>
    )
  const record: RecordRef = { side: side === 'right' ? 'right' : 'left', key }
  return (
    <OneRecord run={run.data} summary={run.data.summary} manifest={manifest.data} record={record} crumbs={crumbs} />
  )
}

function OneRecord({
  run,
  summary,
  manifest,
  record,
  crumbs,
}: {
  run: Run
  summary: Schema<'Summary'>
  manifest: Manifest
  record: RecordRef
  crumbs: { label: string; to: string }[]
}) {
  const id = run.run_id
  const search = route.useSearch()
  const view = useMemo(() => readView(search), [search])
  const navigate = useNavigate()
  const neighbours = useNeighbours(run, summary, manifest, view)
  const step = useCallback(
    (by: -1 | 1, to: RecordRef) =>
      void navigate({
        to: '/runs/$id/records/$side/$key',
        params: { id, side: to.side, key: to.key },
        search: writeView({ ...view, at: (view.at ?? 0) + by }) as never,
        replace: true,
      }),
    [navigate, id, view],
  )
  useStepKeys(neighbours, step)
  // Without a list that one comes from, it is the table that holds the record.
  const list: View = useMemo(
    () => (view.table === undefined ? { ...view, table: unmatchedOf(record.side) } : view),
    [view, record.side],
  )
  const commands = useMemo<Command[]>(
    () => [
      {
        id: 'record.back',
        label: 'Back to the list',
        group: 'This page',
        keys: 'Escape',
        run: () => void navigate({ to: '/runs/$id', params: { id }, search: writeView(list) as never }),
      },
    ],
    [navigate, id, list],
  )
  useCommands(commands)
  return (
    <Page
      title={titleOf(manifest, record)}
      crumbs={crumbs}
      aside={<Outcome id={id} record={record} />}
      about={
        list.table && (
          <Link
            to="/runs/$id"
            params={{ id }}
            search={writeView(list) as never}
            className="text-accent underline underline-offset-2"
          >
            Back to {labelOf(list.table, summary)}
          </Link>
        )
      }
      actions={view.at !== undefined && <Steps neighbours={neighbours} step={step} />}
    >
      <div className="card p-4 sm:p-5">
        <RecordView key={`${record.side}/${record.key}`} id={id} manifest={manifest} record={record} />
      </div>
    </Page>
  )
}
