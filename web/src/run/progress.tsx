import { activeStates, type Run } from '@/lib/api'
import { useEvents } from '@/lib/events'
import { count, duration, plural } from '@/lib/format'
import { aboutQuery } from '@/lib/me'
import { Progress } from '@/ui/progress'
import { Note } from '@/ui/status'
import { DateTime, Stat, Stats } from '@/ui/values'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { after, liveOf, stagesOf, timeLeft, type Live, type RunEvent } from './live'

/** Follows a run until it ends; what it was asked for last is where it begins. */
export function useLive(run: Run): { live: Live; lost: boolean } {
  const queries = useQueryClient()
  const [told, setTold] = useState<{ of: string; live: Live }>()
  const goesOn = (activeStates as readonly string[]).includes(run.status)
  const live = told?.of === run.run_id ? told.live : liveOf(run)
  const { state } = useEvents(goesOn ? `/api/runs/${encodeURIComponent(run.run_id)}/events` : undefined, (event) => {
    const what = JSON.parse(event.data) as RunEvent
    setTold((was) => ({ of: run.run_id, live: after(was?.of === run.run_id ? was.live : liveOf(run), what) }))
    if (!(activeStates as readonly string[]).includes(what.status)) {
      for (const key of [['run', run.run_id], ['runs'], ['overview']]) void queries.invalidateQueries({ queryKey: key })
    }
  })
  return { live: goesOn ? live : liveOf(run), lost: state === 'retrying' || state === 'stale' }
}

/** A run that goes on. */
export function RunProgress({ run, live, lost }: { run: Run; live: Live; lost: boolean }) {
  const { progress } = live
  const waiting = live.status === 'pending' || live.status === 'dispatched'
  const left = timeLeft(live)
  return (
    <section aria-label="Progress" className="card flex flex-col gap-5 p-4 sm:p-5">
      {waiting && <Waiting run={run} status={live.status} />}
      {live.attempt > 1 && (
        <Note tone="warn" title={`Attempt ${live.attempt}`}>
          The attempt before gave no sign of life for too long, so that the run was begun anew. Nothing of it is counted
          twice.
        </Note>
      )}
      <Progress
        stages={stagesOf(live)}
        {...(progress?.rows_per_second !== undefined && { rate: progress.rows_per_second })}
        {...(left !== undefined && { left })}
      />
      <Stats>
        <Elapsed since={live.since} created={run.created_at} />
        {progress?.total_left !== undefined && <Stat label="Left records read" value={count(progress.total_left)} />}
        {progress?.total_right !== undefined && <Stat label="Right records read" value={count(progress.total_right)} />}
        {progress?.matched_count !== undefined && <Stat label="Matched pairs" value={count(progress.matched_count)} />}
      </Stats>
      {lost && (
        <Note tone="warn">
          The connection to the run is interrupted. The run goes on by itself, and this page with it once the server
          answers.
        </Note>
      )}
      <p className="text-xs text-muted">You may close this page: the run goes on, and its address stays.</p>
    </section>
  )
}

function Waiting({ run, status }: { run: Run; status: string }) {
  const { data: about } = useQuery({ ...aboutQuery, refetchInterval: 5000 })
  const running = about?.problem
  return (
    <Note
      tone={running ? 'warn' : 'accent'}
      title={status === 'pending' ? 'Waiting to be handed over' : 'Waiting for its turn'}
    >
      {running ? (
        <>The scheduler does not answer: {running} The run starts by itself once it does.</>
      ) : status === 'pending' ? (
        <>
          It was submitted <DateTime value={run.created_at} relative />, and starts as soon as the scheduler takes it.
        </>
      ) : (
        <>The scheduler has it in its queue, and starts it when the runs before it are done.</>
      )}
    </Note>
  )
}

function Elapsed({ since, created }: { since: number | undefined; created: string }) {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const from = since ?? Date.parse(created)
  return <Stat label={since === undefined ? 'Waiting for' : 'Running for'} value={duration(Math.max(0, now - from))} />
}

/** Why a run failed, or that it was cancelled. */
export function RunEnded({ run }: { run: Run }) {
  const { error } = run
  if (run.status === 'cancelled') {
    return (
      <Note tone="neutral" title="Cancelled">
        It was stopped <DateTime value={run.ended_at} relative />. It left no evidence; run it again for a result.
      </Note>
    )
  }
  return (
    <div role="alert">
      <Note tone="bad" title={error?.stage ? `Failed while ${doing[error.stage] ?? error.stage}` : 'Failed'}>
        <p>{error?.message ?? run.error_message ?? 'The reason is not known.'}</p>
        {error?.hint !== undefined && <p className="mt-1 font-medium">{error.hint}</p>}
        {error?.faults && error.faults.length > 0 && (
          <ul className="mt-2 list-disc pl-4" aria-label={plural(error.faults.length, 'fault')}>
            {error.faults.map((fault, i) => (
              <li key={i}>
                {fault.line !== undefined && `Line ${fault.line}: `}
                <code className="font-mono text-xs">{fault.path}</code> {fault.problem}
                {fault.hint && <span className="text-muted"> {fault.hint}</span>}
              </li>
            ))}
          </ul>
        )}
      </Note>
    </div>
  )
}

const doing: Record<string, string> = {
  staging: 'reading the sources',
  matching: 'matching',
  evidence: 'writing the evidence',
}
