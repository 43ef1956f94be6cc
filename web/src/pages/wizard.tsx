import { plural } from '@/lib/format'
import { useCan } from '@/lib/me'
import { asProblem, type Problem } from '@/lib/problem'
import { Page } from '@/shell/page'
import { sourceQuery } from '@/sources/api'
import { apiFilters, filterColumns } from '@/sources/filter-columns'
import { Button } from '@/ui/button'
import { cx } from '@/ui/cx'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Note } from '@/ui/status'
import { propose } from '@/wizard/api'
import { ParametersStep } from '@/wizard/parameters-step'
import { ReviewStep } from '@/wizard/review-step'
import { RulesStep } from '@/wizard/rules-step'
import { SourcesStep } from '@/wizard/sources-step'
import {
  proposed,
  recipeOf,
  scopeOf,
  steps,
  unguided,
  useWizard,
  type Guidance,
  type Rules,
  type Side,
  type Step,
  type WizardState,
} from '@/wizard/state'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Check } from 'lucide-react'
import { useRef } from 'react'

/** What rules are asked for: what was said of the last proposal, and which records count. */
interface Asked {
  guidance: Guidance
  filters: WizardState['filters']
}

/** From two sources to a run, in four steps. */
export function Wizard() {
  const { state, dispatch, restart } = useWizard()
  const mayUpload = useCan('uploads.write')
  const mayKeep = useCan('sources.write')
  const client = useQueryClient()
  const abort = useRef<AbortController>(undefined)

  const asking = useMutation<Rules, Problem, Asked>({
    mutationFn: async ({ guidance, filters: scopes }) => {
      abort.current?.abort()
      const asked = new AbortController()
      abort.current = asked
      const scoped = async (side: Side) => {
        const alias = state.sources[side] ?? ''
        const filters = scopes[side]
        const columns = filters.length === 0 ? [] : ((await client.query(sourceQuery(alias))).source.columns ?? [])
        return { source: alias, filters: apiFilters(filters, filterColumns(columns)) }
      }
      try {
        const scope = scopeOf({ sources: state.sources, filters: scopes })
        return await propose(await scoped('left'), await scoped('right'), scope, guidance, asked.signal)
      } catch (cause) {
        throw asProblem(cause)
      }
    },
    onSuccess: (rules) => dispatch({ do: 'propose', rules }),
  })

  const ready = proposed(state)
  function ask({ guidance = unguided, filters = state.filters }: Partial<Asked> = {}) {
    dispatch({ do: 'go', step: 'rules' })
    asking.mutate({ guidance, filters })
  }
  const reachable = (step: Step) => step === 'sources' || ready || (step === 'rules' && asking.isPending)

  return (
    <Page
      title="New reconciliation"
      about="Two sources are enough: rules are proposed from their records."
      actions={
        (state.sources.left !== undefined || state.sources.right !== undefined) && (
          <Button
            look="quiet"
            onClick={() => {
              abort.current?.abort()
              asking.reset()
              restart()
            }}
          >
            Begin anew
          </Button>
        )
      }
    >
      <div className="grid grid-cols-[10.5rem_minmax(0,1fr)] items-start gap-6 max-md:grid-cols-1 max-md:gap-4">
        <nav aria-label="Steps" className="md:sticky md:top-0">
          <ol className="flex flex-col gap-0.5 max-md:flex-row max-md:overflow-x-auto">
            {steps.map(({ id, label }, i) => {
              const done = steps.findIndex((s) => s.id === state.step) > i
              const open = reachable(id)
              return (
                <li key={id}>
                  <button
                    type="button"
                    disabled={!open}
                    aria-current={state.step === id ? 'step' : undefined}
                    onClick={() => dispatch({ do: 'go', step: id })}
                    className={cx(
                      'flex w-full items-start gap-2.5 rounded-md px-2 py-1.5 text-left text-sm disabled:cursor-not-allowed disabled:text-faint max-md:whitespace-nowrap',
                      state.step === id ? 'bg-hover font-medium' : open && 'text-muted hover:bg-hover hover:text-fg',
                    )}
                  >
                    <span
                      aria-hidden
                      className={cx(
                        'num mt-px flex size-4.5 shrink-0 items-center justify-center rounded-full border text-2xs',
                        state.step === id
                          ? 'border-accent-strong bg-accent-strong text-accent-fg'
                          : done
                            ? 'border-transparent bg-ok-soft text-ok'
                            : 'border-line-strong',
                      )}
                    >
                      {done ? <Check size={11} /> : i + 1}
                    </span>
                    <span className="min-w-0">
                      {label}
                      <span className="line-clamp-2 text-xs font-normal break-words text-muted max-md:hidden">
                        {summaryOf(id, state)}
                      </span>
                    </span>
                  </button>
                </li>
              )
            })}
          </ol>
        </nav>
        <div className="min-w-0">
          {state.step === 'sources' ? (
            <SourcesStep
              state={state}
              dispatch={dispatch}
              canUpload={mayUpload && mayKeep}
              busy={asking.isPending}
              onNext={() => (ready ? dispatch({ do: 'go', step: 'rules' }) : ask())}
            />
          ) : asking.isPending ? (
            <Loading label="Proposing rules">
              <div className="mb-3 flex items-center gap-3">
                <p className="text-sm text-muted">
                  Looking for what {state.sources.left} and {state.sources.right} have in common.
                </p>
                <Button
                  small
                  onClick={() => {
                    abort.current?.abort()
                    asking.reset()
                    dispatch({ do: 'go', step: 'sources' })
                  }}
                >
                  Cancel
                </Button>
              </div>
              <div className="flex flex-col gap-3">
                <Skeleton className="h-32 w-full" />
                <Skeleton className="h-32 w-full" />
              </div>
            </Loading>
          ) : asking.error && !ready ? (
            <ErrorState error={asking.error} onRetry={() => ask(asking.variables)} />
          ) : !ready ? (
            <Stale onAsk={() => ask()} />
          ) : state.step === 'rules' ? (
            <>
              {asking.error && (
                <div role="alert" className="mb-3">
                  <Note tone="bad" title={asking.error.message}>
                    {asking.error.hint} The rules below are those of before.
                  </Note>
                </div>
              )}
              <RulesStep
                rules={state.rules}
                values={state.values}
                dispatch={dispatch}
                onNext={() => dispatch({ do: 'go', step: 'parameters' })}
                onAgain={(guidance) => ask({ guidance })}
                onScope={(side, filter) => {
                  const filters = { ...state.filters, [side]: [...state.filters[side], filter] }
                  dispatch({ do: 'scope', side, filters: filters[side] })
                  ask({ guidance: state.rules.guidance, filters })
                }}
              />
            </>
          ) : state.step === 'parameters' ? (
            <ParametersStep
              recipe={state.rules.recipe}
              onChange={(recipe) => dispatch({ do: 'change', recipe })}
              onNext={() => dispatch({ do: 'go', step: 'review' })}
            />
          ) : (
            <ReviewStep state={state} dispatch={dispatch} onDone={restart} />
          )}
        </div>
      </div>
    </Page>
  )
}

/** The page was left while rules were asked for, or the sources are others now. */
function Stale({ onAsk }: { onAsk: () => void }) {
  return (
    <div className="flex flex-col items-start gap-3">
      <p className="text-sm text-muted">There are no rules yet for these sources.</p>
      <Button look="primary" onClick={onAsk}>
        Propose rules
      </Button>
    </div>
  )
}

function summaryOf(step: Step, state: WizardState): string {
  if (step === 'sources') return [state.sources.left, state.sources.right].filter(Boolean).join(', ')
  if (!proposed(state)) return ''
  if (step === 'rules') return plural(recipeOf(state.rules).match?.length ?? 0, 'pass', 'passes')
  if (step === 'parameters') return (state.rules.recipe.parameters ?? []).map((p) => p.name).join(', ')
  return ''
}
