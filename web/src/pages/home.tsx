import { RateLine } from '@/charts'
import { RateSparkline } from '@/charts/sparkline'
import { api, isActive, type Overview, type RecipeItem, type RunItem } from '@/lib/api'
import { count, percent, plural } from '@/lib/format'
import { data } from '@/lib/http'
import { useCan } from '@/lib/me'
import { runQuery } from '@/run/live'
import { useLive } from '@/run/progress'
import { nameOf, RunStatus, RunTable } from '@/runs/list'
import { Page } from '@/shell/page'
import { Button } from '@/ui/button'
import { Select } from '@/ui/select'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Status } from '@/ui/status'
import { rowLink } from '@/ui/table'
import { toast } from '@/ui/toast'
import { DateTime, Percent } from '@/ui/values'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { ArrowRight, CircleCheck } from 'lucide-react'
import { useState, type ReactNode } from 'react'

/** What needs a person now, and what is going on. */
export function Home() {
  const mayDraft = useCan('recipes.write')
  const {
    data: overview,
    error,
    refetch,
  } = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => data(api.GET('/api/overview', { signal })),
    refetchInterval: ({ state }) => (state.data?.active?.length ? 2000 : 15_000),
  })
  const start = mayDraft && (
    <>
      <Button asChild>
        <Link to="/assistant">Describe what to reconcile</Link>
      </Button>
      <Button asChild look="primary">
        <Link to="/new">New reconciliation</Link>
      </Button>
    </>
  )
  return (
    <Page title="Home" actions={start}>
      {overview ? (
        isUntouched(overview) ? (
          <FirstSteps sources={overview.sources} demo={overview.demo} />
        ) : (
          <Busy overview={overview} />
        )
      ) : error ? (
        <ErrorState error={error} onRetry={() => void refetch()} />
      ) : (
        <Loading>
          <div className="grid gap-4 lg:grid-cols-2">
            <Skeleton className="h-40" />
            <Skeleton className="h-40" />
            <Skeleton className="h-72 lg:col-span-2" />
          </div>
        </Loading>
      )}
    </Page>
  )
}

const isUntouched = (overview: Overview) => !overview.recent?.length && !overview.recipes?.length

/** An installation in which nothing was reconciled yet. */
function FirstSteps({ sources, demo }: { sources: number; demo: boolean }) {
  const may = useCan('recipes.write')
  const navigate = useNavigate()
  const start = useMutation({
    mutationFn: () => data(api.POST('/api/demo')),
    onSuccess: ({ run_id }) => navigate({ to: '/runs/$id', params: { id: run_id } }),
    onError: (cause) => toast.failed('Making the demo data', cause),
  })
  const steps = [
    {
      title: 'Choose two sources',
      text: 'Files you drop on the page, tables of a database, objects of a bucket: invoices and payments, ledger and bank.',
    },
    {
      title: 'Look at the rules',
      text: 'Rules are proposed from the data, each with how many pairs agree with it. Keep, change or remove them.',
    },
    {
      title: 'Run it',
      text: 'What matches, what does not and why, with the proof that every record is accounted for.',
    },
  ]
  return (
    <section className="card p-6 sm:p-8">
      <h2 className="text-lg font-semibold">Reconcile two sources of records</h2>
      <ol className="mt-5 grid gap-6 md:grid-cols-3">
        {steps.map(({ title, text }, i) => (
          <li key={title} className="flex gap-3">
            <span className="num flex size-6 shrink-0 items-center justify-center rounded-full bg-accent-soft text-xs font-semibold text-accent">
              {i + 1}
            </span>
            <div>
              <h3 className="text-sm font-semibold">{title}</h3>
              <p className="mt-0.5 text-sm text-muted">{text}</p>
            </div>
          </li>
        ))}
      </ol>
      <div className="mt-6 flex flex-wrap items-center gap-3">
        {may ? (
          <>
            <Button asChild look="primary">
              <Link to="/new">New reconciliation</Link>
            </Button>
            {demo && (
              <Button busy={start.isPending} onClick={() => start.mutate()}>
                Try it with demo data
              </Button>
            )}
            <Button asChild>
              <Link to="/sources">{sources > 0 ? `See ${plural(sources, 'source')}` : 'Add a source'}</Link>
            </Button>
          </>
        ) : (
          <p className="text-sm text-muted">Your role may read. Ask an administrator for the role preparer to begin.</p>
        )}
      </div>
    </section>
  )
}

function Busy({ overview }: { overview: Overview }) {
  const active = overview.active ?? []
  const recipes = overview.recipes ?? []
  const recent = (overview.recent ?? []).filter((run) => !isActive(run)).slice(0, 8)
  return (
    <div className="flex flex-col gap-4">
      {active.length > 0 && (
        <Card title="Running now" aside={<span className="num text-xs text-muted">{count(active.length)}</span>}>
          <ul>
            {active.map((run) => (
              <ActiveRun key={run.run_id} run={run} />
            ))}
          </ul>
        </Card>
      )}
      <div className="grid gap-4 lg:grid-cols-2">
        <Attention overview={overview} />
        <Rates recipes={recipes} />
      </div>
      {recipes.length > 0 && <Recipes recipes={recipes} />}
      <Card title="Recent runs" aside={<More to="/runs">All runs</More>}>
        {recent.length > 0 ? (
          <RunTable label="Recent runs" runs={recent} />
        ) : (
          <p className="px-4 pb-4 text-sm text-muted">No run has ended yet.</p>
        )}
      </Card>
    </div>
  )
}

function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="card min-w-0 overflow-hidden" aria-label={title}>
      <header className="flex h-11 items-center justify-between gap-3 px-4">
        <h2 className="text-sm font-semibold">{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

function More({ to, children }: { to: '/runs' | '/recipes'; children: ReactNode }) {
  return (
    <Link to={to} className="inline-flex items-center gap-1 text-xs text-muted hover:text-fg">
      {children}
      <ArrowRight size={12} aria-hidden />
    </Link>
  )
}

/** A run that goes on, by its events. */
function ActiveRun({ run }: { run: RunItem }) {
  const { data: whole } = useQuery(runQuery(run.run_id))
  return (
    <li className="relative flex flex-wrap items-center gap-x-4 gap-y-2 border-t border-line px-4 py-2.5 hover:bg-hover">
      <Link to="/runs/$id" params={{ id: run.run_id }} className={`${rowLink} min-w-40 flex-1 text-sm`}>
        {nameOf(run)}
      </Link>
      {whole ? <Follow run={whole} /> : <Status state={run.status} />}
    </li>
  )
}

function Follow({ run }: { run: Parameters<typeof useLive>[0] }) {
  const { live } = useLive(run)
  const share = live.progress?.overall ?? 0
  return (
    <>
      <Status state={live.status} />
      <span className="flex w-64 items-center gap-3 max-sm:w-full">
        <span
          role="progressbar"
          aria-label={`Progress of ${nameOf(run)}`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.floor(share * 100)}
          className="h-1.5 flex-1 overflow-hidden rounded-full bg-hover"
        >
          <span
            className="block h-full rounded-full bg-accent-strong transition-[width] duration-300"
            style={{ width: `${share * 100}%` }}
          />
        </span>
        <span className="num w-9 text-right text-xs text-muted">{Math.floor(share * 100)}%</span>
      </span>
    </>
  )
}

/** Failed runs, runs under their target, and records that wait. */
function Attention({ overview }: { overview: Overview }) {
  const runs = overview.attention ?? []
  const { left, right } = overview.open
  return (
    <Card title="Needs attention">
      {runs.length === 0 && (
        <p className="flex items-center gap-2 border-t border-line px-4 py-3 text-sm text-muted">
          <CircleCheck size={15} className="shrink-0 text-ok" aria-hidden />
          No run has failed or is under its target.
        </p>
      )}
      <ul>
        {runs.map((run) => (
          <li key={run.run_id} className="relative border-t border-line px-4 py-2.5 hover:bg-hover">
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <Link to="/runs/$id" params={{ id: run.run_id }} className={`${rowLink} min-w-0 flex-1 text-sm`}>
                {nameOf(run)}
              </Link>
              <RunStatus run={run} />
            </div>
            <p className="mt-0.5 text-xs text-muted">
              {run.error_message !== null
                ? run.error_message
                : run.match_rate !== undefined &&
                  run.target !== undefined &&
                  `${percent(run.match_rate)} of the records match; the target is ${percent(run.target)}`}
              {' · '}
              <DateTime value={run.ended_at ?? run.created_at} relative />
            </p>
          </li>
        ))}
      </ul>
      {left + right > 0 && <Waiting overview={overview} />}
    </Card>
  )
}

/** Unmatched records of the latest run of each recipe, each number a link to its records. */
function Waiting({ overview }: { overview: Overview }) {
  const recipes = new Map((overview.recipes ?? []).map((recipe) => [recipe.recipe_id, recipe]))
  const runs = (overview.waiting ?? []).slice(0, 5)
  const { left, right } = overview.open
  return (
    <div className="border-t border-line px-4 py-3">
      <p className="text-sm">
        <span className="num font-semibold">{plural(left + right, 'record')}</span> of the latest runs{' '}
        {left + right === 1 ? 'is' : 'are'} unmatched
      </p>
      <ul className="mt-1.5 flex flex-col gap-1 text-xs">
        {runs.map((run) => {
          const recipe = recipes.get(run.recipe_id)
          return (
            <li key={run.run_id} className="flex flex-wrap gap-x-2">
              <span className="min-w-0 flex-1 truncate text-muted">{nameOf(run)}</span>
              <OpenRecords run={run} table="unmatched_left" n={run.unmatched_left_count} of={recipe?.left ?? 'left'} />
              <OpenRecords
                run={run}
                table="unmatched_right"
                n={run.unmatched_right_count}
                of={recipe?.right ?? 'right'}
              />
            </li>
          )
        })}
      </ul>
    </div>
  )
}

function OpenRecords(props: { run: RunItem; table: 'unmatched_left' | 'unmatched_right'; n: number; of: string }) {
  return (
    <Link
      to="/runs/$id"
      params={{ id: props.run.run_id }}
      search={{ tab: props.table }}
      className="num text-accent underline-offset-2 hover:underline"
    >
      {count(props.n)} {props.of}
    </Link>
  )
}

/** The match rate over time of one recipe. */
function Rates({ recipes }: { recipes: readonly RecipeItem[] }) {
  const navigate = useNavigate()
  const [chosen, setChosen] = useState<string>()
  const most = recipes.toSorted((a, b) => (b.rates?.length ?? 0) - (a.rates?.length ?? 0))[0]
  const recipe = recipes.find((r) => r.recipe_id === chosen) ?? most
  const { data: runs } = useQuery({
    queryKey: ['runs', 'rates', recipe?.recipe_id, recipe?.last_run?.run_id],
    enabled: recipe !== undefined,
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/runs', {
          signal,
          params: { query: { recipe_id: recipe?.recipe_id ?? '', status: ['completed'], limit: 60 } },
        }),
      ),
  })
  const points = (runs ?? [])
    .flatMap((run) =>
      run.match_rate === undefined
        ? []
        : [{ id: run.run_id, at: run.ended_at ?? run.created_at, rate: run.match_rate }],
    )
    .reverse()
  return (
    <section className="card min-w-0 p-4" aria-label="Match rate over time">
      {recipes.length > 1 && (
        <Select
          small
          aria-label="Recipe"
          className="mb-3 w-auto max-w-full"
          value={recipe?.recipe_id}
          onChange={setChosen}
          options={recipes.map((r) => ({ value: r.recipe_id, label: r.name }))}
        />
      )}
      {runs === undefined && recipe ? (
        <Loading label="Loading the chart">
          <Skeleton className="h-60" />
        </Loading>
      ) : (
        <RateLine
          points={points}
          target={runs?.[0]?.target}
          onPick={(id) => void navigate({ to: '/runs/$id', params: { id } })}
        />
      )}
    </section>
  )
}

/** Each recipe with how its last runs went. */
function Recipes({ recipes }: { recipes: readonly RecipeItem[] }) {
  const shown = recipes.slice(0, 8)
  return (
    <Card title="Recipes" aside={<More to="/recipes">All recipes</More>}>
      <ul className="grid grid-cols-[repeat(auto-fit,minmax(min(100%,19rem),1fr))]">
        {shown.map((recipe) => (
          <li
            key={recipe.recipe_id}
            className="relative flex items-center gap-3 border-t border-line px-4 py-3 hover:bg-hover"
          >
            <div className="min-w-0 flex-1">
              <Link to="/recipes/$id" params={{ id: recipe.recipe_id }} className={`${rowLink} block truncate text-sm`}>
                {recipe.name}
              </Link>
              <p className="truncate text-xs text-muted">
                {recipe.left} · {recipe.right}
              </p>
            </div>
            <RateSparkline rates={recipe.rates ?? []} width={64} />
            {recipe.rates?.length ? (
              <span className="w-14 text-right text-sm font-medium">
                <Percent value={recipe.rates.at(-1)} />
              </span>
            ) : null}
          </li>
        ))}
      </ul>
    </Card>
  )
}
