import { isActive, type RunItem } from '@/lib/api'
import { duration } from '@/lib/format'
import { useCan } from '@/lib/me'
import { AlertDialog } from '@/ui/dialog'
import { IconButton } from '@/ui/button'
import { Status } from '@/ui/status'
import { rowAct, rowLink, Table, type TableColumn } from '@/ui/table'
import { Count, DateTime, None, Percent } from '@/ui/values'
import { Link } from '@tanstack/react-router'
import { RotateCcw, Square } from 'lucide-react'
import { useCancel, useRerun } from './acts'

/** The name of a run's recipe, or the run where it came without one. */
export const nameOf = (run: RunItem) => run.recipe_name || run.recipe_id || run.run_id

/** The state of a run: a completed one may be under its target. */
export function RunStatus({ run }: { run: RunItem }) {
  return <Status state={run.under_target ? 'under_target' : run.status} />
}

const columns: TableColumn<RunItem>[] = [
  {
    id: 'recipe',
    header: 'Recipe',
    grows: true,
    cell: (run) => (
      <div className="min-w-36">
        <Link to="/runs/$id" params={{ id: run.run_id }} className={rowLink}>
          {nameOf(run)}
        </Link>
        <p className="mt-0.5 flex flex-wrap items-center gap-x-2 text-xs text-muted sm:hidden">
          <RunStatus run={run} />
          <DateTime value={run.created_at} relative />
        </p>
        {run.error_message !== null && (
          <p className="line-clamp-2 text-xs wrap-anywhere text-bad" title={run.error_message}>
            {run.error_message}
          </p>
        )}
      </div>
    ),
  },
  { id: 'status', header: 'State', from: 'sm', cell: (run) => <RunStatus run={run} /> },
  { id: 'rate', header: 'Match rate', numeric: true, cell: (run) => <Percent value={run.match_rate} /> },
  { id: 'matched', header: 'Matched', numeric: true, from: 'lg', cell: (run) => <Records run={run} table="matched" /> },
  {
    id: 'left',
    header: 'Unmatched left',
    numeric: true,
    from: 'lg',
    cell: (run) => <Records run={run} table="unmatched_left" />,
  },
  {
    id: 'right',
    header: 'Unmatched right',
    numeric: true,
    from: 'lg',
    cell: (run) => <Records run={run} table="unmatched_right" />,
  },
  {
    id: 'created',
    header: 'Started',
    numeric: true,
    from: 'sm',
    cell: (run) => <DateTime value={run.created_at} relative />,
  },
  { id: 'took', header: 'Took', numeric: true, from: 'lg', cell: (run) => <Took run={run} /> },
  {
    id: 'by',
    header: 'By',
    from: '2xl',
    cell: (run) => <span className="block max-w-40 truncate text-muted">{run.created_by || <None />}</span>,
  },
  { id: 'acts', header: '', numeric: true, cell: (run) => <Acts run={run} /> },
]

const counts = {
  matched: 'matched_count',
  unmatched_left: 'unmatched_left_count',
  unmatched_right: 'unmatched_right_count',
} as const

/** How many records a table of a run has, as a link to them. */
export function Records({ run, table }: { run: RunItem; table: keyof typeof counts }) {
  if (run.status !== 'completed') return <None />
  return (
    <Link
      to="/runs/$id"
      params={{ id: run.run_id }}
      search={{ tab: table }}
      className={`${rowAct} underline-offset-2 hover:text-accent hover:underline`}
    >
      <Count value={run[counts[table]]} />
    </Link>
  )
}

function Took({ run }: { run: RunItem }) {
  if (run.started_at === undefined || run.ended_at === undefined) return <None />
  return <span className="text-muted">{duration(Date.parse(run.ended_at) - Date.parse(run.started_at))}</span>
}

function Acts({ run }: { run: RunItem }) {
  const may = useCan('runs.write')
  const rerun = useRerun()
  const cancel = useCancel()
  if (!may) return null
  return (
    <span className={`${rowAct} inline-flex`}>
      {isActive(run) ? (
        <AlertDialog
          trigger={
            <IconButton small label={`Stop ${nameOf(run)}`}>
              <Square size={13} />
            </IconButton>
          }
          title="Stop this run?"
          description="It ends without a result and leaves no evidence. It can be run again."
          action="Stop the run"
          onConfirm={() => cancel.mutateAsync(run).catch(() => undefined)}
        />
      ) : (
        <IconButton
          small
          label={`Run ${nameOf(run)} again`}
          disabled={rerun.isPending}
          onClick={() => rerun.mutate(run)}
        >
          <RotateCcw size={13} />
        </IconButton>
      )}
    </span>
  )
}

export interface RunTableProps {
  label: string
  /** Undefined while they are loading. */
  runs: readonly RunItem[] | undefined
  expected?: number
}

/** Runs, each a link to its page. */
export function RunTable({ label, runs, expected }: RunTableProps) {
  return (
    <Table
      label={label}
      columns={columns}
      rows={runs}
      rowKey={(run) => run.run_id}
      {...(expected !== undefined && { expected })}
    />
  )
}
