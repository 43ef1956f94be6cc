import { compare, ratio, subtract } from '@/lib/decimal'
import { fromApi, type Filter } from '@/lib/filters'
import { count, percent, plural } from '@/lib/format'
import type { Evidence, Summary } from '@/recipes/api'
import { useColumns } from '@/recipes/columns'
import type { Pass } from '@/recipes/model'
import { RuleCard } from '@/recipes/rule-card'
import { Button } from '@/ui/button'
import { Switch } from '@/ui/choice'
import { cx } from '@/ui/cx'
import { EmptyState, ErrorState, Skeleton } from '@/ui/states'
import { Stat, Stats } from '@/ui/values'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { ArrowRight, LoaderCircle, Plus, RotateCcw } from 'lucide-react'
import type { Dispatch } from 'react'
import { trialQuery } from './api'
import {
  evidenceOf,
  evidenceOfPass,
  recipeOf,
  type Action,
  type Guidance,
  type Named,
  type Rules,
  type Side,
} from './state'
import { useDebounced } from './use-debounced'

export interface RulesStepProps {
  rules: Rules
  values: Record<string, string>
  dispatch: Dispatch<Action>
  onNext: () => void
  /** Has rules proposed anew: what was changed by hand is lost. */
  onAgain: (guidance: Guidance) => void
  /** Leaves records out, and has rules proposed anew. */
  onScope: (side: Side, filter: Filter) => void
}

/** The rules that were proposed: each with what speaks for it, and what all of them come to on the records. */
export function RulesStep({ rules, values, dispatch, onNext, onAgain, onScope }: RulesStepProps) {
  const { left, right } = rules.recipe.sources
  const passes = rules.recipe.match ?? []
  const columns = useColumns(rules.recipe)
  const recipe = recipeOf(rules)
  const used = recipe.match?.length ?? 0
  const settled = useDebounced(JSON.stringify(recipe), 400)
  const options = trialQuery(JSON.parse(settled) as typeof recipe, values)
  const trial = useQuery({ ...options, enabled: used > 0, placeholderData: keepPreviousData })
  const client = useQueryClient()
  const current = settled === JSON.stringify(recipe) && !trial.isPlaceholderData && !trial.isFetching

  if (passes.length === 0)
    return (
      <EmptyState
        title="No rules could be proposed"
        actions={
          <Button onClick={() => dispatch({ do: 'add', pass: firstPass(rules) })} icon={<Plus size={14} />}>
            Add a rule
          </Button>
        }
      >
        Nothing in {left.alias} and {right.alias} tells which records belong together. Add a rule by hand, or scope the
        sources.
      </EmptyState>
    )

  const { guidance } = rules
  const guide: Guide = {
    without: (named) => onAgain({ ...guidance, without: [...guidance.without, named] }),
    choose: (named) => onAgain({ ...guidance, choose: [...guidance.choose, named] }),
  }
  let at = -1
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_19rem] items-start gap-4 max-xl:grid-cols-1">
      <div className="flex min-w-0 flex-col gap-3">
        {passes.map((pass, i) => {
          const on = !rules.off[i]
          if (on) at++
          const done = on ? trial.data?.passes?.[at] : undefined
          return (
            <RuleCard
              key={i}
              number={i + 1}
              pass={pass}
              columns={columns}
              left={left.alias}
              right={right.alias}
              dimmed={!on}
              onChange={(next) => dispatch({ do: 'pass', at: i, pass: next })}
              onRemove={() => dispatch({ do: 'remove', at: i })}
              about={<Why evidence={evidenceOfPass(rules, pass)} guide={guide} />}
              note={(condition) => <Why evidence={evidenceOf(rules, pass, condition)} guide={guide} />}
              aside={
                <>
                  {done && done.name === (pass.name ?? done.name) && (
                    <span
                      className="num text-xs text-muted"
                      title={`${count(done.left)} ${left.alias} and ${count(done.right)} ${right.alias}`}
                    >
                      matches {count(done.left)}
                    </span>
                  )}
                  <Switch
                    aria-label={`Use ${pass.name ?? `pass ${i + 1}`}`}
                    checked={on}
                    onChange={(next) => dispatch({ do: 'switch', at: i, on: next })}
                  />
                </>
              }
            />
          )
        })}
        <div className="flex flex-wrap gap-2">
          <Button small icon={<Plus size={13} />} onClick={() => dispatch({ do: 'add', pass: firstPass(rules) })}>
            Add a rule
          </Button>
          <Button small look="quiet" icon={<RotateCcw size={13} />} onClick={() => onAgain(guidance)}>
            Propose again
          </Button>
        </div>
      </div>
      <aside aria-label="What the rules come to" className="flex flex-col gap-3 xl:sticky xl:top-0">
        <div className="card flex flex-col gap-3 p-4">
          <div className="flex h-6 items-center justify-between gap-2">
            <h2 className="text-sm font-semibold">On all records</h2>
            {used > 0 && !current && !trial.error && (
              <span role="status" className="flex items-center gap-1 text-xs text-muted">
                <LoaderCircle size={12} className="animate-spin" aria-hidden />
                Trying
                {trial.isFetching && (
                  <Button
                    small
                    look="quiet"
                    onClick={() => void client.cancelQueries({ queryKey: options.queryKey, exact: true })}
                  >
                    Cancel
                  </Button>
                )}
              </span>
            )}
          </div>
          {used === 0 ? (
            <p className="text-sm text-muted">No rule is used, so nothing matches.</p>
          ) : trial.error ? (
            <ErrorState error={trial.error} onRetry={() => void trial.refetch()} small />
          ) : trial.data ? (
            <Outcome summary={trial.data} rules={rules} current={current} />
          ) : trial.isFetching ? (
            <Skeleton className="h-40 w-full" />
          ) : (
            <Button small onClick={() => void trial.refetch()}>
              Try the rules
            </Button>
          )}
        </div>
        <Suggestions rules={rules} onScope={onScope} />
        <Guided guidance={guidance} onAgain={onAgain} />
        <Button look="primary" disabled={used === 0} onClick={onNext}>
          {used === passes.length ? 'Accept the rules' : `Accept ${plural(used, 'rule')}`}
          <ArrowRight size={14} aria-hidden />
        </Button>
      </aside>
    </div>
  )
}

/** What the rules come to, with how that changed against what was proposed. */
function Outcome({ summary, rules, current }: { summary: Summary; rules: Rules; current: boolean }) {
  const first = useQuery({ ...trialQuery({ ...rules.recipe, match: rules.proposed }, {}), enabled: false }).data
  const moved = first ? subtract(summary.match_rate, first.match_rate) : '0'
  const { left, right } = summary
  return (
    <div className={current ? undefined : 'opacity-60'}>
      <Stats>
        <Stat
          label="Match rate"
          value={percent(summary.match_rate)}
          delta={
            compare(moved, '0') === 0
              ? undefined
              : { text: `${percent(moved)} against the proposal`, good: compare(moved, '0') > 0 }
          }
        />
      </Stats>
      <dl className="num mt-3 grid grid-cols-[minmax(0,1fr)_auto_auto] gap-x-3 gap-y-1 text-sm">
        {[left, right].map((side) => (
          <div key={side.alias} className="contents">
            <dt className="truncate text-muted" title={side.alias}>
              {side.alias}
            </dt>
            <dd className="text-right whitespace-nowrap">
              {count(side.matched)} <span className="text-muted">of {count(side.total)}</span>
            </dd>
            <dd className="text-right text-muted">{percent(ratio(side.matched, side.total), 1)}</dd>
          </div>
        ))}
      </dl>
      {summary.ambiguous > 0 && (
        <p className="mt-2 text-xs text-muted">
          {plural(summary.ambiguous, 'match', 'matches')} had equally good candidates.
        </p>
      )}
      <Passes summary={summary} />
    </div>
  )
}

/** What each pass takes off the left records, until the rest is left. */
function Passes({ summary }: { summary: Summary }) {
  const { total, unmatched, alias } = summary.left
  const rows = (summary.passes ?? []).map((p) => ({ name: p.name, n: p.left, colour: 'bg-chart-1' }))
  rows.push({ name: 'Unmatched', n: unmatched, colour: 'bg-chart-3' })
  return (
    <ol aria-label={`What each pass matches of ${alias}`} className="mt-4 flex flex-col gap-2">
      {rows.map((row, i) => (
        <li key={i} className="text-xs">
          <span className="flex justify-between gap-2">
            <span className="truncate" title={row.name}>
              {row.name}
            </span>
            <span className="num shrink-0">
              {count(row.n)} <span className="text-muted">{percent(ratio(row.n, total), 1)}</span>
            </span>
          </span>
          <span aria-hidden className="mt-0.5 block h-1.5 overflow-hidden rounded-full bg-hover">
            <span
              className={cx('block h-full rounded-full', row.colour)}
              style={{ width: `${total === 0 ? 0 : (row.n / total) * 100}%`, minWidth: row.n > 0 ? 2 : 0 }}
            />
          </span>
        </li>
      ))}
    </ol>
  )
}

/** Has rules proposed anew, by what is said of a part of them. */
interface Guide {
  without: (named: Named) => void
  choose: (named: Named) => void
}

/** What speaks for a part of a rule, what against, and what could stand in its place. */
function Why({ evidence, guide }: { evidence: Evidence | undefined; guide: Guide }) {
  if (!evidence) return null
  const { id, what, support } = evidence
  const against = evidence.counter_examples ?? []
  const instead = evidence.alternatives ?? []
  return (
    <div className="text-xs text-muted">
      <p>{support}</p>
      {against.length > 0 && (
        <details>
          <summary className="cursor-pointer text-accent">
            {against.length === 1 ? 'One pair' : `${against.length} pairs`} for which it does not hold
          </summary>
          <ul className="num mt-0.5 mb-1 border-l-2 border-line pl-2">
            {against.map((x, i) => (
              <li key={i}>{x}</li>
            ))}
          </ul>
        </details>
      )}
      <details>
        <summary className="cursor-pointer text-accent">Propose something else</summary>
        <ul className="mt-1 mb-1 flex flex-col gap-1.5 border-l-2 border-line pl-2">
          {instead.map((a) => (
            <li key={a.id} className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <span className="num min-w-0 flex-1">
                <span className="text-fg">{a.what}</span>
                {a.support && <> · {a.support}</>}
              </span>
              <Button small aria-label={`Take ${a.what} instead`} onClick={() => guide.choose(a)}>
                Take this
              </Button>
            </li>
          ))}
          <li className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <span className="min-w-0 flex-1">Nothing of it, in any rule</span>
            <Button small aria-label={`Propose without ${what}`} onClick={() => guide.without({ id, what })}>
              Do without
            </Button>
          </li>
        </ul>
      </details>
    </div>
  )
}

/** Records that never match and have something in common: a person says whether they count. */
function Suggestions({ rules, onScope }: Pick<RulesStepProps, 'rules' | 'onScope'>) {
  const offered = rules.suggestions.flatMap((s) => {
    const filter = fromApi(s.filter)
    return filter ? [{ ...s, filter }] : []
  })
  if (offered.length === 0) return null
  return (
    <section aria-label="Records that could be left out" className="card flex flex-col gap-2 p-4">
      <h2 className="text-sm font-semibold">Leave records out?</h2>
      <ul className="flex flex-col gap-2">
        {offered.map((s) => (
          <li key={s.id} className="text-sm">
            <p>{s.what}</p>
            <p className="num mb-1 text-xs text-muted">{s.support}</p>
            <Button small aria-label={`Leave out: ${s.what}`} onClick={() => onScope(s.side, s.filter)}>
              Leave {plural(s.records, 'record')} out
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** What was said of the proposals before, each to be taken back. */
function Guided({ guidance, onAgain }: { guidance: Guidance; onAgain: (guidance: Guidance) => void }) {
  const { without, choose } = guidance
  if (without.length + choose.length === 0) return null
  const back = (id: string) => {
    const rest = (named: Named[]) => named.filter((n) => n.id !== id)
    onAgain({ without: rest(without), choose: rest(choose) })
  }
  return (
    <section aria-label="What you said of the proposal" className="card flex flex-col gap-2 p-4">
      <h2 className="text-sm font-semibold">Proposed as you said</h2>
      <ul className="flex flex-col gap-1.5">
        {[...without.map((n) => ({ ...n, how: 'without' })), ...choose.map((n) => ({ ...n, how: 'with' }))].map((n) => (
          <li key={n.id} className="flex items-center gap-2 text-sm">
            <span className="min-w-0 flex-1">
              <span className="text-muted">{n.how}</span> {n.what}
            </span>
            <Button small look="quiet" aria-label={`Take back: ${n.how} ${n.what}`} onClick={() => back(n.id)}>
              Take back
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

function firstPass(rules: Rules): Pass {
  const { left, right } = rules.recipe.sources
  const n = (rules.recipe.match?.length ?? 0) + 1
  return {
    name: `pass ${n}`,
    cardinality: 'one_to_one',
    when: [{ left: left.primary_key[0] ?? '', right: right.primary_key[0] ?? '' }],
  }
}
