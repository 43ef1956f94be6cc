import { Button } from '@/ui/button'
import { Checkbox } from '@/ui/choice'
import { Combobox } from '@/ui/combobox'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Select } from '@/ui/select'
import { useState, type SubmitEvent } from 'react'
import type { SideColumns } from './columns'
import {
  answersOf,
  conditionOf,
  faultsOf,
  kinds,
  newCondition,
  type ConditionAnswers,
  type ConditionKind,
} from './condition'
import type { Condition } from './model'
import { conditionOps, normalizations } from './words'
import type { Column } from '@/sources/api'

export interface ConditionFormProps {
  condition?: Condition | undefined
  columns: SideColumns
  /** Names of both sides: "invoices". */
  left: string
  right: string
  onDone: (condition: Condition) => void
}

/** Asks for one condition: which columns, and how they have to relate. */
export function ConditionForm({ condition, columns, left, right, onDone }: ConditionFormProps) {
  const [answers, setAnswers] = useState<ConditionAnswers>(() => (condition ? answersOf(condition) : newCondition))
  const [asked, setAsked] = useState(false)
  const faults = faultsOf(answers)
  const shown = asked ? faults : {}
  const set = (change: Partial<ConditionAnswers>) => setAnswers((was) => ({ ...was, ...change }))

  function submit(event: SubmitEvent) {
    event.preventDefault()
    event.stopPropagation()
    setAsked(true)
    if (Object.keys(faults).length === 0) onDone(conditionOf(answers))
  }

  const textual = answers.kind === 'similar' || answers.kind === 'compare'
  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-3">
      <div className="grid grid-cols-2 gap-3">
        <Field label={`Column of ${left}`} error={shown.left}>
          <ColumnChoice value={answers.left} columns={columns.left} onChange={(left) => set({ left })} />
        </Field>
        <Field label={`Column of ${right}`} error={shown.right}>
          <ColumnChoice value={answers.right} columns={columns.right} onChange={(right) => set({ right })} />
        </Field>
      </div>
      <Field label="How they relate">
        <Select value={answers.kind} onChange={(kind) => set({ kind: kind as ConditionKind })} options={kinds} />
      </Field>
      {answers.kind === 'compare' && (
        <Field label={`The value of ${left}`}>
          <Select
            value={answers.op}
            onChange={(op) => set({ op })}
            options={conditionOps.map((o) => ({ value: o.value, label: `${o.label} that of ${right}` }))}
          />
        </Field>
      )}
      {(answers.kind === 'amount' || answers.kind === 'percent') && (
        <Field
          label="Largest difference"
          hint={
            answers.kind === 'amount' ? 'In the unit of the amounts; included.' : `Of the amount of ${left}; included.`
          }
          error={shown.amount}
        >
          <Input
            numeric
            value={answers.amount}
            onChange={(event) => set({ amount: event.target.value.trim() })}
            {...(answers.kind === 'percent' && { trail: '%' })}
          />
        </Field>
      )}
      {(answers.kind === 'days' || answers.kind === 'hours') && (
        <div>
          <div className="grid grid-cols-2 gap-3">
            <Field label={`From, in ${answers.kind}`} error={shown.from}>
              <Input numeric value={answers.from} onChange={(event) => set({ from: event.target.value.trim() })} />
            </Field>
            <Field label={`To, in ${answers.kind}`} error={shown.to}>
              <Input numeric value={answers.to} onChange={(event) => set({ to: event.target.value.trim() })} />
            </Field>
          </div>
          <p className="mt-1 text-xs text-muted">
            From {left} to {right}, both ends included; negative where {right} comes first.
          </p>
        </div>
      )}
      {answers.kind === 'similar' && (
        <div className="grid grid-cols-2 gap-3">
          <Field label="Least similarity" hint="1 is equal." error={shown.similar}>
            <Input numeric value={answers.similar} onChange={(event) => set({ similar: event.target.value.trim() })} />
          </Field>
          <Field label="Measured by">
            <Select
              value={answers.method}
              onChange={(method) => set({ method })}
              options={[
                { value: 'jaro_winkler', label: 'Jaro–Winkler: names' },
                { value: 'levenshtein', label: 'Levenshtein: typing errors' },
                { value: 'token_set', label: 'Token set: words in any order' },
              ]}
            />
          </Field>
        </div>
      )}
      {textual && (
        <details open={answers.normalize.length > 0}>
          <summary className="cursor-pointer text-sm font-medium">Before comparing, read both</summary>
          <div className="mt-2 grid grid-cols-2 gap-1.5 max-sm:grid-cols-1">
            {normalizations.map((n) => (
              <Checkbox
                key={n.value}
                label={n.label}
                checked={answers.normalize.includes(n.value)}
                onChange={(on) =>
                  set({
                    normalize: on ? [...answers.normalize, n.value] : answers.normalize.filter((x) => x !== n.value),
                  })
                }
              />
            ))}
          </div>
        </details>
      )}
      <div className="flex justify-end">
        <Button type="submit" look="primary">
          {condition ? 'Change' : 'Add condition'}
        </Button>
      </div>
    </form>
  )
}

/** One of the columns that are known; a text where none are. */
export function ColumnChoice({
  value,
  columns,
  onChange,
  ...wired
}: {
  value: string
  columns: readonly Column[]
  onChange: (value: string) => void
}) {
  if (columns.length === 0)
    return <Input value={value} onChange={(event) => onChange(event.target.value.trim())} {...wired} />
  const known = columns.some((c) => c.name === value)
  return (
    <Combobox
      value={value || undefined}
      onChange={onChange}
      placeholder="Choose a column"
      options={[
        ...columns.map((c) => ({ value: c.name, label: c.name, detail: c.data_type })),
        ...(value && !known ? [{ value, label: value, detail: 'not in the source' }] : []),
      ]}
      {...wired}
    />
  )
}
