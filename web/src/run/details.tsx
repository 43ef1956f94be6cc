import { api, isActive, type Run, type Schema } from '@/lib/api'
import { bytes, count, duration, engineName, plural } from '@/lib/format'
import { data } from '@/lib/http'
import { useCan } from '@/lib/me'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Textarea } from '@/ui/input'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Badge, Note } from '@/ui/status'
import { toast } from '@/ui/toast'
import { DateTime, KeyValue, None } from '@/ui/values'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleCheck, CircleX, Download, ShieldCheck } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { foldersOf, manifestQuery, type Manifest, type Read } from './manifest'

function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="card min-w-0 p-4" aria-label={title}>
      <div className="mb-3 flex min-h-7 items-center justify-between gap-2">
        <h2 className="text-sm font-semibold">{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  )
}

/** How a result came about, and what proves it. */
export function RunDetails({ run, summary }: { run: Run; summary: Schema<'Summary'> }) {
  const manifest = useQuery(manifestQuery(run.run_id))
  return (
    <div className="mt-4 grid items-start gap-4 lg:grid-cols-2">
      <div className="flex min-w-0 flex-col gap-4">
        <Approvals run={run} />
        <Card title="Sources as read">
          {manifest.data ? (
            <div className="flex flex-col gap-5">
              <SourceFacts read={manifest.data.left} />
              <SourceFacts read={manifest.data.right} />
              {manifest.data.extras?.map((read) => (
                <SourceFacts key={read.alias} read={read} />
              ))}
            </div>
          ) : manifest.isError ? (
            <ErrorState error={manifest.error} small onRetry={() => void manifest.refetch()} />
          ) : (
            <Loading label="Loading the sources">
              <Skeleton className="h-32" />
            </Loading>
          )}
        </Card>
      </div>
      <div className="flex min-w-0 flex-col gap-4">
        <Evidence id={run.run_id} manifest={manifest.data} />
        <Card title="How it ran">
          <RunFacts run={run} summary={summary} manifest={manifest.data} />
        </Card>
      </div>
      <section className="card min-w-0 p-4 lg:col-span-2" aria-label="Recipe as it ran">
        <RecipeAsRun run={run} />
      </section>
    </div>
  )
}

function SourceFacts({ read }: { read: Read }) {
  return (
    <div>
      <h3 className="mb-1 text-sm font-medium">{read.alias}</h3>
      <KeyValue
        items={[
          { label: 'Location', value: <code className="font-mono text-xs break-all">{read.location}</code> },
          { label: 'Records', value: <span className="num">{count(read.rows)}</span> },
          { label: 'Primary key', value: read.primary_key?.join(', ') || <None /> },
          {
            label: 'Consistency',
            value:
              read.consistency === 'snapshot'
                ? 'one snapshot: all rows are of one moment'
                : read.consistency || 'as the file was',
          },
          {
            label: 'Fingerprint',
            value: <code className="font-mono text-xs break-all">{read.fingerprint || 'none'}</code>,
          },
        ]}
      />
    </div>
  )
}

/** When, by whom and by what it was run. */
export function RunFacts({
  run,
  summary,
  manifest,
}: {
  run: Run
  summary?: Schema<'Summary'> | undefined
  manifest?: Manifest | undefined
}) {
  const took = run.started_at && run.ended_at ? Date.parse(run.ended_at) - Date.parse(run.started_at) : undefined
  const parameters = Object.entries(run.parameters ?? {})
  const engine = summary ? engineName(summary.engine) : run.engine
  return (
    <KeyValue
      items={[
        { label: 'Submitted', value: <DateTime value={run.created_at} /> },
        { label: 'By', value: run.created_by || <None /> },
        ...(run.started_at === undefined ? [] : [{ label: 'Started', value: <DateTime value={run.started_at} /> }]),
        ...(run.ended_at === undefined ? [] : [{ label: 'Ended', value: <DateTime value={run.ended_at} /> }]),
        ...(took === undefined ? [] : [{ label: 'Took', value: duration(took) }]),
        ...(summary?.stages ?? []).map((s) => ({
          label: `of that ${stageWords[s.name] ?? s.name}`,
          value: duration(s.ms),
        })),
        ...(engine ? [{ label: 'Engine', value: engine }] : []),
        ...(summary?.engine.why ? [{ label: 'Why that engine', value: summary.engine.why }] : []),
        ...(manifest ? [{ label: 'Kalla', value: manifest.kalla }] : []),
        ...(manifest?.evidence === 'keys' ? [{ label: 'Evidence', value: 'keys, reasons and differences only' }] : []),
        ...(run.attempt > 1 ? [{ label: 'Attempts', value: count(run.attempt) }] : []),
        ...(run.rerun_of
          ? [
              {
                label: 'Run again of',
                value: (
                  <Link to="/runs/$id" params={{ id: run.rerun_of }} className="text-accent underline">
                    {run.rerun_of}
                  </Link>
                ),
              },
            ]
          : []),
        ...parameters.map(([name, value]) => ({
          label: `Parameter ${name}`,
          value: <code className="font-mono text-xs">{value}</code>,
        })),
        { label: 'Run', value: <code className="font-mono text-xs break-all">{run.run_id}</code> },
      ]}
    />
  )
}

const stageWords: Record<string, string> = { staging: 'reading', matching: 'matching', evidence: 'writing evidence' }

/** The recipe of a run in sentences. */
export function RecipeAsRun({ run }: { run: Run }) {
  return (
    <>
      <div className="mb-3 flex min-h-7 items-center justify-between gap-2">
        <h2 className="text-sm font-semibold">{isActive(run) ? 'Recipe' : 'Recipe as it ran'}</h2>
        {run.recipe_version !== undefined && run.recipe_version > 0 && (
          <Link to="/recipes/$id" params={{ id: run.recipe_id }} className="text-sm text-accent underline">
            {run.recipe_name ?? run.recipe_id}, version {run.recipe_version}
          </Link>
        )}
      </div>
      <ul className="flex max-w-4xl flex-col gap-1.5 text-sm">
        {(run.sentences ?? []).map((s) => (
          <li key={s.path + s.text} className="border-l-2 border-line pl-3">
            {s.text}
          </li>
        ))}
      </ul>
    </>
  )
}

function Evidence({ id, manifest }: { id: string; manifest: Manifest | undefined }) {
  const verify = useMutation({
    mutationFn: () => data(api.GET('/api/runs/{run_id}/verify', { params: { path: { run_id: id } } })),
  })
  const report = verify.data
  const findings = report?.findings ?? []
  return (
    <Card
      title="Evidence"
      aside={
        <Button small icon={<ShieldCheck size={13} />} busy={verify.isPending} onClick={() => verify.mutate()}>
          {report ? 'Verify again' : 'Verify'}
        </Button>
      }
    >
      <p className="mb-3 text-xs text-muted">
        Verifying proves the result from its files alone: nothing changed, missing or added, every record in exactly one
        place, counts and sums as stated.
      </p>
      {verify.isError && <ErrorState error={verify.error} small onRetry={() => verify.mutate()} />}
      {report && (
        <div className="mb-4" role="status">
          <Note
            tone={findings.length === 0 ? 'ok' : 'bad'}
            title={
              findings.length === 0
                ? `Verified: ${plural(report.checks?.length ?? 0, 'check')}, nothing is wrong`
                : `${plural(findings.length, 'finding')}: do not rely on this evidence`
            }
          >
            <ul className="mt-1 flex flex-col gap-1">
              {findings.map((f, i) => (
                <li key={i} className="text-sm">
                  <span className="font-medium">{f.where}</span>: {f.problem}
                  {f.expected && `; expected ${f.expected}, found ${f.found ?? 'nothing'}`}
                </li>
              ))}
              {(report.checks ?? []).map((c) => (
                <li key={c.name} className="flex items-start gap-1.5 text-xs">
                  {c.ok ? (
                    <CircleCheck size={13} className="mt-px shrink-0 text-ok" aria-label="right" />
                  ) : (
                    <CircleX size={13} className="mt-px shrink-0 text-bad" aria-label="wrong" />
                  )}
                  <span>
                    <span className="font-medium">{c.name}</span> <span className="text-muted">{c.detail}</span>
                  </span>
                </li>
              ))}
            </ul>
            <p className="mt-2 text-xs text-muted">
              Seal <code className="font-mono break-all">{report.seal}</code>
            </p>
          </Note>
        </div>
      )}
      {manifest && <Files id={id} manifest={manifest} />}
    </Card>
  )
}

/** The files of the evidence. A table that a cluster wrote in parts is one line, which opens. */
function Files({ id, manifest }: { id: string; manifest: Manifest }) {
  return (
    <ul className="text-sm" aria-label="Files">
      <File id={id} name="manifest.json" />
      {foldersOf(manifest).map(({ folder, names }) =>
        folder === undefined ? (
          names.map((name) => <File key={name} id={id} name={name} file={manifest.files[name]} />)
        ) : (
          <li key={folder} className="border-b border-line">
            <details>
              <summary className="cursor-pointer py-1 pointer-coarse:min-h-9">
                {folder} <span className="num text-xs text-muted">in {plural(names.length, 'part')}</span>
              </summary>
              <ul className="border-t border-line pl-4">
                {names.map((name) => (
                  <File key={name} id={id} name={name} file={manifest.files[name]} />
                ))}
              </ul>
            </details>
          </li>
        ),
      )}
    </ul>
  )
}

function File({ id, name, file }: { id: string; name: string; file?: Manifest['files'][string] | undefined }) {
  return (
    <li className="flex items-center gap-2 border-b border-line py-1 last:border-b-0">
      <a
        href={`/api/runs/${encodeURIComponent(id)}/evidence/${name.split('/').map(encodeURIComponent).join('/')}`}
        download
        title={file ? `SHA-256 ${file.sha256}` : undefined}
        className="flex min-w-0 flex-1 items-center gap-1.5 text-accent hover:underline pointer-coarse:min-h-9"
      >
        <Download size={13} aria-hidden className="shrink-0" />
        <span className="truncate">{name}</span>
      </a>
      {file && file.rows > 0 && <span className="num text-xs text-muted">{plural(file.rows, 'row')}</span>}
      {file && <span className="num w-16 text-right text-xs text-muted">{bytes(file.bytes)}</span>}
    </li>
  )
}

function Approvals({ run }: { run: Run }) {
  const may = useCan('runs.approve')
  const [asked, setAsked] = useState<'approved' | 'rejected'>()
  const approvals = run.approvals ?? []
  return (
    <Card
      title="Sign-off"
      aside={
        may && (
          <span className="flex gap-2">
            <Button small onClick={() => setAsked('rejected')}>
              Reject
            </Button>
            <Button small icon={<CircleCheck size={13} />} onClick={() => setAsked('approved')}>
              Approve
            </Button>
          </span>
        )
      }
    >
      {approvals.length === 0 ? (
        <p className="text-sm text-muted">
          Nobody has decided about this run yet.{!may && ' Approvers and administrators may.'}
        </p>
      ) : (
        <ol className="flex flex-col gap-2">
          {approvals.map((a, i) => (
            <li key={i} className="border-l-2 border-line pl-3 text-sm">
              <p className="flex flex-wrap items-center gap-2">
                <Badge tone={a.decision === 'approved' ? 'ok' : 'bad'}>
                  {a.decision === 'approved' ? 'Approved' : 'Rejected'}
                </Badge>
                {a.decided_by}
                <span className="text-muted">
                  <DateTime value={a.created_at} />
                </span>
              </p>
              {a.comment && <p className="mt-1">{a.comment}</p>}
            </li>
          ))}
        </ol>
      )}
      {asked && <Decide run={run} decision={asked} close={() => setAsked(undefined)} />}
    </Card>
  )
}

function Decide({ run, decision, close }: { run: Run; decision: 'approved' | 'rejected'; close: () => void }) {
  const queries = useQueryClient()
  const [comment, setComment] = useState('')
  const [missing, setMissing] = useState(false)
  const decide = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/runs/{run_id}/approve', {
          params: { path: { run_id: run.run_id } },
          body: { decision, ...(comment && { comment }) },
        }),
      ),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['run', run.run_id] })
      toast.done(decision === 'approved' ? 'Run approved' : 'Run rejected')
      close()
    },
  })
  const rejects = decision === 'rejected'
  return (
    <Dialog
      open
      onOpenChange={(open) => open || close()}
      title={rejects ? 'Reject this run?' : 'Approve this run?'}
      description="The decision is kept with your name and the time, and cannot be taken back. A later one stands beside it."
      footer={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button
            look={rejects ? 'danger' : 'primary'}
            busy={decide.isPending}
            onClick={() => {
              if (rejects && comment.trim() === '') setMissing(true)
              else decide.mutate()
            }}
          >
            {rejects ? 'Reject' : 'Approve'}
          </Button>
        </>
      }
    >
      <Field
        label="Comment"
        optional={!rejects}
        error={missing && comment.trim() === '' ? 'Say why the run is rejected.' : undefined}
      >
        <Textarea value={comment} onChange={(event) => setComment(event.target.value)} maxLength={2000} />
      </Field>
      {decide.isError && <ErrorState error={decide.error} small />}
    </Dialog>
  )
}
