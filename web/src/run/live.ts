// How far a run is, out of its events.
import { activeStates, api, isActive, type Run, type Schema } from '@/lib/api'
import { data } from '@/lib/http'
import type { StageProgress } from '@/ui/progress'
import { queryOptions } from '@tanstack/react-query'

export type RunEvent = Schema<'RunEvent'>
export type Progress = Schema<'RunProgress'>

/** Asks for everything about a run. */
export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ['run', id],
    queryFn: ({ signal }) => data(api.GET('/api/runs/{run_id}', { params: { path: { run_id: id } }, signal })),
    // Its end is told by an event; this is for when it was missed.
    refetchInterval: (query) => (query.state.data && isActive(query.state.data) ? 15_000 : false),
  })

/** What is known of a run that goes on: the run as it was asked for, and what its events have told since. */
export interface Live {
  status: string
  attempt: number
  progress: Progress | null | undefined
  /** When the attempt began to do something, in milliseconds. */
  since: number | undefined
}

/** The run as it was asked for. */
export function liveOf(run: Run): Live {
  return {
    status: run.status,
    attempt: run.attempt,
    progress: run.latest_progress,
    since: run.started_at === undefined ? undefined : Date.parse(run.started_at),
  }
}

/** What is known after an event. */
export function after(live: Live, event: RunEvent): Live {
  const anew = event.attempt !== live.attempt
  const works = event.progress !== undefined && (activeStates as readonly string[]).indexOf(event.status) >= 2
  return {
    status: event.status,
    attempt: event.attempt,
    progress: event.progress ?? (anew ? undefined : live.progress),
    since: anew || live.since === undefined ? (works ? Date.parse(event.at) : undefined) : live.since,
  }
}

const stages = [
  { id: 'staging', name: 'Read' },
  { id: 'matching', name: 'Match' },
  { id: 'evidence', name: 'Write evidence' },
]

/** The stages, each with its share. */
export function stagesOf({ status, progress }: Pick<Live, 'status' | 'progress'>): StageProgress[] {
  const now = progress ? stages.findIndex((s) => s.id === progress.stage) : -1
  const ended = status === 'failed' || status === 'cancelled'
  return stages.map(({ name }, i) => {
    if (i < now || status === 'completed') return { name, done: 1, state: 'done' }
    if (i > now || !progress) return { name, done: 0, state: 'waiting' }
    return { name, done: progress.progress, state: ended ? 'failed' : 'active', step: progress.step }
  })
}

/** Milliseconds that are left, by how long it took to come this far; undefined while that would be a guess. */
export function timeLeft({ progress, since }: Pick<Live, 'progress' | 'since'>): number | undefined {
  if (!progress || since === undefined) return undefined
  const spent = Date.parse(progress.updated_at) - since
  if (spent < 2000 || progress.overall < 0.05 || progress.overall >= 1) return undefined
  return (spent * (1 - progress.overall)) / progress.overall
}
