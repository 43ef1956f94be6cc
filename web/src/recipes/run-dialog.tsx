import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Select } from '@/ui/select'
import { ErrorState } from '@/ui/states'
import type { Problem } from '@/lib/problem'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState, type SubmitEvent } from 'react'
import { startRun, type Parameter } from './api'
import { givenValues, parameterFaults, ParametersForm } from './parameters-form'

export interface RunDialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  recipeId: string
  name: string
  parameters: readonly Parameter[]
}

/** What is wrong with a match rate that a run should reach; undefined where nothing is. */
export function targetFault(target: string): string | undefined {
  const text = target.trim()
  const wrong = 'Write a share of all records, such as 95% or 99.5%.'
  if (text === '' || /^(0?\.\d+|0|1(\.0+)?)$/.test(text)) return undefined
  if (!/^\d{1,3}(\.\d{1,4})?%$/.test(text)) return wrong
  return /^(\d{1,2}(\.\d+)?|100(\.0+)?)%$/.test(text) ? undefined : wrong
}

/** Asks for the values of a run, and starts it. */
export function RunDialog(props: RunDialogProps) {
  return (
    <Dialog
      open={props.open}
      onOpenChange={props.onOpenChange}
      title={`Run ${props.name}`}
      description="The saved version of the recipe runs on the sources as they are now."
    >
      <RunForm {...props} />
    </Dialog>
  )
}

function RunForm({ recipeId, parameters, onOpenChange }: RunDialogProps) {
  const [values, setValues] = useState<Record<string, string>>({})
  const [target, setTarget] = useState('')
  const [engine, setEngine] = useState('auto')
  const [asked, setAsked] = useState(false)
  const navigate = useNavigate()
  const client = useQueryClient()
  const faults = parameterFaults(parameters, values)
  const wrongTarget = targetFault(target)
  const run = useMutation<string, Problem>({
    mutationFn: () => startRun(recipeId, { parameters: givenValues(values), target: target.trim(), engine }),
    onSuccess: async (id) => {
      void client.invalidateQueries({ queryKey: ['runs'] })
      await navigate({ to: '/runs/$id', params: { id } })
    },
  })
  function submit(event: SubmitEvent) {
    event.preventDefault()
    setAsked(true)
    if (Object.keys(faults).length === 0 && wrongTarget === undefined) run.mutate()
  }
  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-4">
      {parameters.length > 0 && (
        <ParametersForm parameters={parameters} values={values} onChange={setValues} faults={asked ? faults : {}} />
      )}
      <div className="grid grid-cols-2 gap-3 max-sm:grid-cols-1">
        <Field
          label="Target match rate"
          optional
          hint="A run below it is shown on the first page."
          error={asked ? wrongTarget : undefined}
        >
          <Input numeric value={target} placeholder="95%" onChange={(event) => setTarget(event.target.value)} />
        </Field>
        <Field label="Engine" hint="Automatic takes the cluster for what one machine cannot hold.">
          <Select
            value={engine}
            onChange={setEngine}
            options={[
              { value: 'auto', label: 'Automatic' },
              { value: 'duckdb', label: 'DuckDB: this machine' },
              { value: 'trino', label: 'Trino: the cluster' },
            ]}
          />
        </Field>
      </div>
      {run.error && <ErrorState error={run.error} small />}
      <div className="flex justify-end gap-2">
        <Button onClick={() => onOpenChange(false)}>Cancel</Button>
        <Button type="submit" look="primary" busy={run.isPending}>
          Start the run
        </Button>
      </div>
    </form>
  )
}
