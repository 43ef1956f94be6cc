import { asProblem, type Problem } from '@/lib/problem'
import { useCan } from '@/lib/me'
import { check, recipesQuery, saveRecipe, startRun, type Parameter } from '@/recipes/api'
import { Verdict } from '@/recipes/editor'
import { freeId, slug } from '@/recipes/model'
import { givenValues, parameterFaults, ParametersForm } from '@/recipes/parameters-form'
import { targetFault } from '@/recipes/run-dialog'
import { Button } from '@/ui/button'
import { CodeEditor } from '@/ui/code-editor'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { toast } from '@/ui/toast'
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import { useState, type Dispatch } from 'react'
import { recipeOf, type Action, type Rules, type WizardState } from './state'
import { useDebounced } from './use-debounced'

export interface ReviewStepProps {
  state: WizardState & { rules: Rules }
  dispatch: Dispatch<Action>
  /** Everything is saved: the wizard can forget it. */
  onDone: () => void
}

/** The recipe as a whole, its name, and the first run. */
export function ReviewStep({ state, dispatch, onDone }: ReviewStepProps) {
  const { rules } = state
  const canRun = useCan('runs.write')
  const recipes = useQuery(recipesQuery)
  const client = useQueryClient()
  const navigate = useNavigate()
  const [asked, setAsked] = useState(false)

  const draft = recipeOf(rules)
  const taken = new Set((recipes.data ?? []).map((r) => r.recipe_id))
  const name = state.name || (draft.name ?? '')
  const id = state.id || freeId(slug(name) || 'reconciliation', taken)
  const idFault = /^[a-z0-9][a-z0-9_-]{0,99}$/.test(id)
    ? taken.has(id)
      ? 'There is a recipe of this id already: choose another.'
      : undefined
    : 'Small letters, digits, - and _ only.'
  const document = JSON.stringify({ ...draft, recipe_id: id, name: name || id })
  const settled = useDebounced(document, 250)
  const checked = useQuery({
    queryKey: ['check', settled],
    queryFn: ({ signal }) => check(settled, signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  })
  const current = settled === document && !checked.isPlaceholderData && checked.data !== undefined
  const parameters: readonly Parameter[] = checked.data?.parameters ?? []
  const faults = parameterFaults(parameters, state.values)
  const wrongTarget = targetFault(state.target)
  const right = current && checked.data.valid && idFault === undefined && !recipes.isPending

  const save = useMutation<string, Problem, { run: boolean }>({
    mutationFn: async ({ run }) => {
      await saveRecipe(id, checked.data?.document ?? '', 'Proposed from the records, and reviewed', null)
      if (!run) return ''
      return startRun(id, { parameters: givenValues(state.values), target: state.target.trim(), engine: 'auto' })
    },
    onSuccess: async (runId) => {
      onDone()
      void client.invalidateQueries()
      toast.done(`Recipe ${name || id} saved`)
      await (runId
        ? navigate({ to: '/runs/$id', params: { id: runId } })
        : navigate({ to: '/recipes/$id', params: { id } }))
    },
    // The recipe may have been saved before its run was refused.
    onError: () => void client.invalidateQueries({ queryKey: ['recipes'] }),
  })
  const submit = (run: boolean) => {
    setAsked(true)
    if (right && (!run || (Object.keys(faults).length === 0 && wrongTarget === undefined))) save.mutate({ run })
  }

  return (
    <div className="flex flex-col gap-4">
      <div className="grid max-w-3xl grid-cols-[2fr_2fr_1fr] gap-4 max-sm:grid-cols-1">
        <Field label="Name">
          <Input
            value={name}
            maxLength={256}
            onChange={(e) => dispatch({ do: 'answer', answers: { name: e.target.value } })}
          />
        </Field>
        <Field label="Id" hint="What programs call it." error={idFault}>
          <Input
            value={id}
            spellCheck={false}
            onChange={(e) => dispatch({ do: 'answer', answers: { id: e.target.value } })}
          />
        </Field>
        <Field label="Target rate" optional error={asked ? wrongTarget : undefined}>
          <Input
            numeric
            placeholder="95%"
            value={state.target}
            onChange={(e) => dispatch({ do: 'answer', answers: { target: e.target.value } })}
          />
        </Field>
      </div>
      {parameters.length > 0 && (
        <section aria-label="Values of the first run" className="max-w-3xl">
          <h2 className="mb-2 text-sm font-semibold">Values of the first run</h2>
          <ParametersForm
            parameters={parameters}
            values={state.values}
            onChange={(values) => dispatch({ do: 'answer', answers: { values } })}
            faults={asked ? faults : {}}
          />
        </section>
      )}
      {save.error && <ErrorState error={asProblem(save.error)} small />}
      <div className="flex flex-wrap items-center justify-end gap-2">
        <Button disabled={!right} busy={save.isPending && !save.variables.run} onClick={() => submit(false)}>
          Save only
        </Button>
        {canRun && (
          <Button
            look="primary"
            icon={<Play size={14} />}
            disabled={!right}
            busy={save.isPending && save.variables.run}
            onClick={() => submit(true)}
          >
            Save and run
          </Button>
        )}
      </div>
      {checked.error ? (
        <ErrorState error={checked.error} onRetry={() => void checked.refetch()} small />
      ) : (
        <div className="grid grid-cols-2 gap-4 max-lg:grid-cols-1">
          <section aria-label="The recipe in words">
            <h2 className="mb-2 text-sm font-semibold">In words</h2>
            {checked.data ? (
              <ul className="flex flex-col gap-1.5 text-sm leading-5">
                {checked.data.sentences.map((s, i) => (
                  <li key={i}>{s.text}</li>
                ))}
              </ul>
            ) : (
              <Loading label="Reading the recipe">
                <Skeleton className="h-64 w-full" />
              </Loading>
            )}
          </section>
          <section aria-label="The recipe as YAML" className="flex min-w-0 flex-col gap-2">
            <h2 className="text-sm font-semibold">As YAML</h2>
            <CodeEditor label="Recipe as YAML" value={checked.data?.document ?? ''} readOnly minLines={12} />
            <Verdict
              faults={(checked.data?.faults ?? []).map(({ path, problem, hint }) => ({
                path,
                problem,
                ...(hint && { hint }),
              }))}
              current={current}
              known={checked.data !== undefined}
            />
          </section>
        </div>
      )}
    </div>
  )
}
