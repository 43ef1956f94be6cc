import type { Schema } from '@/lib/api'
import { count, percent } from '@/lib/format'
import { useCan } from '@/lib/me'
import { DiffView } from '@/recipes/diff-view'
import { CountLink } from '@/run/count-link'
import { runQuery } from '@/run/live'
import { RunProgress, useLive } from '@/run/progress'
import { isActive, type Run } from '@/lib/api'
import { freeAlias } from '@/sources/alias'
import { accept, acceptWords, sendFile, sourcesQuery } from '@/sources/api'
import { rowsText, Sample } from '@/sources/sample'
import { Button } from '@/ui/button'
import { FileDrop } from '@/ui/file-drop'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Badge, Note, Status } from '@/ui/status'
import { Stat, Stats } from '@/ui/values'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ArrowRight, Check, CircleCheck } from 'lucide-react'
import type { ReactNode } from 'react'
import { clickInTurn } from './api'
import { Backtest } from './backtest'
import type { Card } from './conversation'
import { Frame } from './frame'
import { Proposals } from './proposals'
import { Rules } from './rules'
import { useAnswering } from './use-conversation'

/** Cards that belong together; of one kind. */
export function CardGroup({ cards }: { cards: readonly Card[] }) {
  const [card] = cards
  if (!card) return null
  if (card.kind === 'match_proposal') return <Proposals cards={cards} />
  if (card.kind === 'confirm') return <Confirms cards={cards} />
  if (card.upload_request) return <UploadRequest card={card} request={card.upload_request} />
  if (card.sample_table) return <SampleTable table={card.sample_table} />
  if (card.rule_summary) return <Rules card={card} summary={card.rule_summary} />
  if (card.recipe_diff) return <RecipeDiff diff={card.recipe_diff} />
  if (card.backtest) return <Backtest test={card.backtest} />
  if (card.progress) return <Progress progress={card.progress} />
  if (card.result) return <Result result={card.result} />
  if (card.choice) return <Choice card={card} choice={card.choice} />
  return null
}

/** Answers to click; afterwards the one that was chosen. */
function Choice({ card, choice }: { card: Card; choice: Schema<'AgentChoice'> }) {
  const { busy, answer } = useAnswering()
  const options = choice.options ?? []
  if (!card.open) {
    const chosen = options.find((o) => o.id === card.answer?.option)
    return (
      chosen && (
        <p className="flex items-center gap-1.5 text-sm text-muted">
          <Check size={14} className="text-ok" aria-hidden />
          You chose: {chosen.label}
        </p>
      )
    )
  }
  return (
    <div role="group" aria-label={choice.question ?? 'Answers'} className="flex flex-col gap-1.5">
      {choice.question && <p className="text-sm font-medium">{choice.question}</p>}
      <div className="flex flex-wrap gap-2">
        {options.map((option) =>
          option.detail ? (
            <button
              key={option.id}
              type="button"
              disabled={busy}
              onClick={() => answer(card.id, { action: 'choose', option: option.id })}
              className="card max-w-full px-3 py-2 text-left text-sm hover:border-line-strong hover:bg-hover disabled:cursor-not-allowed disabled:opacity-50"
            >
              <span className="font-medium">{option.label}</span>
              <span className="block text-xs text-muted">{option.detail}</span>
            </button>
          ) : (
            <Button
              key={option.id}
              disabled={busy}
              onClick={() => answer(card.id, { action: 'choose', option: option.id })}
            >
              {option.label}
            </Button>
          ),
        )}
      </div>
    </div>
  )
}

/** What only a person sets off, each with what it will do. */
function Confirms({ cards }: { cards: readonly Card[] }) {
  const { busy, answer } = useAnswering()
  const may = { save_recipe: useCan('recipes.write'), run_full: useCan('runs.write') }
  const open = cards.filter((card) => card.open)
  const done = cards.find((card) => card.answer)
  if (open.length === 0) {
    const ask = done?.confirm
    return ask ? (
      <p className="flex items-center gap-1.5 text-sm text-muted">
        {done.answer?.action === 'approve' && <Check size={14} className="text-ok" aria-hidden />}
        {done.answer?.action === 'approve' ? `You clicked: ${ask.approve}` : `You declined: ${ask.title}`}
      </p>
    ) : null
  }
  return (
    <Frame
      title="Only you can do this"
      aside={<span className="text-xs text-muted">nothing is done without your click</span>}
    >
      <ul>
        {open.map(({ id, confirm }, i) => {
          if (!confirm) return null
          const allowed =
            confirm.tool === 'run_full' ? may.run_full : may.save_recipe && (confirm.run !== true || may.run_full)
          return (
            <li key={id} className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-3.5 py-3">
              <div className="min-w-52 flex-1">
                <p className="text-sm font-medium">{confirm.title}</p>
                <ul className="text-xs text-muted">
                  {(confirm.details ?? []).map((detail) => (
                    <li key={detail} className="break-words">
                      {detail}
                    </li>
                  ))}
                </ul>
                {!allowed && <p className="text-xs text-warn">Your role may not do this: ask an administrator.</p>}
              </div>
              <Button
                look={i === 0 ? 'primary' : 'secondary'}
                disabled={busy || !allowed}
                onClick={() => answer(id, { action: 'approve' })}
              >
                {confirm.approve}
              </Button>
            </li>
          )
        })}
      </ul>
      <div className="flex justify-end px-3.5 py-2">
        <Button small look="quiet" disabled={busy} onClick={() => open[0] && answer(open[0].id, { action: 'decline' })}>
          Not now
        </Button>
      </div>
    </Frame>
  )
}

/** A file is asked for; it becomes a source, and the assistant goes on. */
function UploadRequest({ card, request }: { card: Card; request: Schema<'AgentUploadRequest'> }) {
  const { id, busy, answer } = useAnswering()
  const mayUpload = useCan('uploads.write')
  const mayKeep = useCan('sources.write')
  const sources = useQuery({ ...sourcesQuery, enabled: card.open })
  const client = useQueryClient()
  if (!card.open) {
    const { answer: given } = card
    if (!given) return null
    return (
      <p className="flex items-center gap-1.5 text-sm text-muted">
        {given.action === 'uploaded' && <CircleCheck size={14} className="text-ok" aria-hidden />}
        {given.action === 'uploaded'
          ? `Uploaded as the source ${given.alias ?? 'of the file'}`
          : `Without a file: ${request.title}`}
      </p>
    )
  }
  return (
    <Frame
      title={request.title}
      aside={
        <Button small look="quiet" disabled={busy} onClick={() => answer(card.id, { action: 'skip' })}>
          Go on without
        </Button>
      }
    >
      <div className="flex flex-col gap-2 p-3.5">
        <p className="text-sm text-muted">{request.hint}</p>
        {mayUpload && mayKeep ? (
          <FileDrop
            accept={accept}
            hint={`${acceptWords}. It is kept as a source.`}
            upload={async (file, progress, signal) => {
              const sent = await sendFile(file, progress, signal)
              const alias = freeAlias(file.name, new Set((sources.data ?? []).map((s) => s.alias)))
              await clickInTurn(id, card.id, { action: 'uploaded', upload_id: sent.upload_id, alias }, signal)
              await client.invalidateQueries({ queryKey: sourcesQuery.queryKey, exact: true })
            }}
          />
        ) : (
          <Note tone="warn">Your role may not upload files. Ask an administrator, or name sources that are there.</Note>
        )}
      </div>
    </Frame>
  )
}

function SampleTable({ table }: { table: Schema<'AgentSampleTable'> }) {
  const rows = table.rows ?? []
  const words = table.words ?? []
  return (
    <Frame
      title={`${table.source}${table.side ? `, ${table.side} side` : ''}`}
      aside={<span className="num text-xs text-muted">{rowsText(rows.length, table.total_rows)}</span>}
    >
      <div className="flex flex-col gap-2 p-2.5">
        {words.length > 0 && (
          <ul aria-label="Conditions" className="flex flex-wrap gap-1.5">
            {words.map((word) => (
              <li key={word}>
                <Badge tone="accent">{word}</Badge>
              </li>
            ))}
          </ul>
        )}
        <Sample label={`Sample of ${table.source}`} columns={table.columns ?? []} rows={rows} height={220} />
      </div>
    </Frame>
  )
}

/** The recipe in words beside its text; of a saved one what changes. */
function RecipeDiff({ diff }: { diff: Schema<'AgentRecipeDiff'> }) {
  const changes = diff.changes ?? []
  return (
    <Frame
      title={diff.name || diff.recipe_id}
      aside={<span className="text-xs text-muted">{diff.from ? `changes version ${diff.from}` : 'a new recipe'}</span>}
    >
      <div className="grid grid-cols-2 max-lg:grid-cols-1">
        <div className="min-w-0 p-3.5">
          <h4 className="mb-1 text-xs text-muted">In words</h4>
          <ul className="flex list-disc flex-col gap-1 pl-4 text-sm">
            {(diff.sentences ?? []).map((sentence, i) => (
              <li key={i}>{sentence.text}</li>
            ))}
          </ul>
        </div>
        <div className="min-w-0 border-line p-3.5 max-lg:border-t lg:border-l">
          {diff.before ? (
            <>
              <h4 className="mb-1 text-xs text-muted">What changes</h4>
              <ul className="flex list-disc flex-col gap-1 pl-4 text-sm">
                {changes.map((change) => (
                  <li key={change}>{change}</li>
                ))}
              </ul>
              {changes.length === 0 && <p className="text-sm text-muted">Nothing but how it is written.</p>}
            </>
          ) : (
            <>
              <h4 className="mb-1 text-xs text-muted">As it is written</h4>
              <Source text={diff.after} label="The recipe as YAML" />
            </>
          )}
        </div>
      </div>
      {diff.before && (
        <div className="border-t border-line p-2.5">
          <DiffView
            before={diff.before}
            after={diff.after}
            beforeLabel={`Version ${diff.from ?? ''}`}
            afterLabel="This draft"
          />
        </div>
      )}
    </Frame>
  )
}

function Source({ text, label }: { text: string; label: string }) {
  return (
    <pre
      tabIndex={0}
      role="region"
      aria-label={label}
      className="max-h-72 overflow-auto rounded-md border border-line bg-sunken px-3 py-2 font-mono text-xs"
    >
      {text}
    </pre>
  )
}

/** A run that goes on; after its end its state. */
function Progress({ progress }: { progress: Schema<'AgentProgress'> }) {
  const run = useQuery(runQuery(progress.run_id))
  if (run.isError) return <ErrorState error={run.error} small onRetry={() => void run.refetch()} />
  if (!run.data)
    return (
      <Loading label="Loading the run">
        <Skeleton className="h-28" />
      </Loading>
    )
  return isActive(run.data) ? (
    <Going run={run.data} />
  ) : (
    <p className="flex flex-wrap items-center gap-2 text-sm text-muted">
      <Status state={run.data.status} />
      <RunLink id={progress.run_id}>Run of {progress.recipe_id}</RunLink>
    </p>
  )
}

function Going({ run }: { run: Run }) {
  const { live, lost } = useLive(run)
  return <RunProgress run={run} live={live} lost={lost} />
}

function RunLink({ id, children }: { id: string; children: ReactNode }) {
  return (
    <Link to="/runs/$id" params={{ id }} className="text-accent underline-offset-2 hover:underline">
      {children}
    </Link>
  )
}

/** What a run came to, every count a way to its records. */
function Result({ result }: { result: Schema<'AgentResult'> }) {
  const { run_id: id, summary } = result
  return (
    <Frame title="The result" aside={<Status state={result.status} />}>
      <div className="flex flex-col gap-4 p-3.5">
        {summary && (
          <Stats>
            <Stat label="Match rate" value={percent(summary.match_rate)} />
            <Stat
              label="Matched pairs"
              value={<CountLink id={id} table="matched" n={summary.pairs} />}
              detail={`${count(summary.matches)} matches`}
            />
            {(['left', 'right'] as const).map((side) => (
              <Stat
                key={side}
                label={`Unmatched ${summary[side].alias}`}
                value={<CountLink id={id} table={`unmatched_${side}`} n={summary[side].unmatched} />}
                detail={`of ${count(summary[side].total)}`}
              />
            ))}
          </Stats>
        )}
        {result.error && (
          <Note tone="bad" title={result.error}>
            {result.hint}
          </Note>
        )}
        <div>
          <Button asChild>
            <Link to="/runs/$id" params={{ id }}>
              Open the run
              <ArrowRight size={14} aria-hidden />
            </Link>
          </Button>
        </div>
      </div>
    </Frame>
  )
}
