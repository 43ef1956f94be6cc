import { arity, describe, fault, opsOf, opWord, type Filter, type FilterColumn, type Op } from '@/lib/filters'
import { ListFilter, X } from 'lucide-react'
import { useState, type SubmitEvent } from 'react'
import { Button } from './button'
import { Checkbox } from './choice'
import { Combobox } from './combobox'
import { cx } from './cx'
import { Popover } from './dialog'
import { Field } from './field'
import { Input } from './input'
import { Select } from './select'

export interface FilterChipsProps {
  filters: readonly Filter[]
  columns: readonly FilterColumn[]
  onChange: (filters: Filter[]) => void
}

/** Typed filters as chips: each can be changed and removed; all of them hold together. */
export function FilterChips({ filters, columns, onChange }: FilterChipsProps) {
  const [adding, setAdding] = useState(false)
  const byId = new Map(columns.map((c) => [c.id, c]))
  return (
    <div className="contents" role="group" aria-label="Filters">
      {filters.map((filter, i) => {
        const column = byId.get(filter.column) ?? { id: filter.column, label: filter.column, kind: 'text' as const }
        return (
          <Chip
            key={`${i}-${filter.column}`}
            filter={filter}
            column={column}
            columns={columns}
            onChange={(next) => onChange(filters.map((f, j) => (j === i ? next : f)))}
            onRemove={() => onChange(filters.filter((_, j) => j !== i))}
          />
        )
      })}
      <Popover
        label="New filter"
        open={adding}
        onOpenChange={setAdding}
        className="w-72 p-3"
        trigger={
          <Button small look={filters.length ? 'quiet' : 'secondary'} icon={<ListFilter size={13} />}>
            {filters.length ? 'Add' : 'Filter'}
          </Button>
        }
      >
        <Editor
          columns={columns}
          onDone={(filter) => {
            onChange([...filters, filter])
            setAdding(false)
          }}
        />
      </Popover>
      {filters.length > 1 && (
        <Button small look="quiet" onClick={() => onChange([])}>
          Clear all
        </Button>
      )}
    </div>
  )
}

function Chip(props: {
  filter: Filter
  column: FilterColumn
  columns: readonly FilterColumn[]
  onChange: (filter: Filter) => void
  onRemove: () => void
}) {
  const [open, setOpen] = useState(false)
  const { label, op, value } = describe(props.filter, props.column)
  const wrong = fault(props.filter, props.column)
  return (
    <span
      className={cx(
        'inline-flex h-7 max-w-full items-stretch overflow-hidden rounded-md border bg-surface text-xs pointer-coarse:h-9',
        wrong === undefined ? 'border-line' : 'border-bad',
      )}
    >
      <Popover
        label={`Change the filter on ${label}`}
        open={open}
        onOpenChange={setOpen}
        className="w-72 p-3"
        trigger={
          <button
            type="button"
            title={wrong}
            className="flex min-w-0 items-center gap-1 px-2 outline-offset-[-2px] hover:bg-hover"
          >
            <span className="shrink-0 text-muted">{label}</span>
            <span className="shrink-0 text-muted">{op}</span>
            <span className="num truncate font-medium">{value}</span>
          </button>
        }
      >
        <Editor
          columns={props.columns}
          filter={props.filter}
          onDone={(filter) => {
            props.onChange(filter)
            setOpen(false)
          }}
        />
      </Popover>
      <button
        type="button"
        aria-label={`Remove the filter ${label} ${op} ${value}`}
        onClick={props.onRemove}
        className="border-l border-line px-1.5 text-muted outline-offset-[-2px] hover:bg-hover hover:text-fg"
      >
        <X size={12} aria-hidden />
      </button>
    </span>
  )
}

function Editor({
  columns,
  filter,
  onDone,
}: {
  columns: readonly FilterColumn[]
  filter?: Filter
  onDone: (filter: Filter) => void
}) {
  const [columnId, setColumn] = useState(filter?.column)
  const [chosenOp, setOp] = useState<Op | undefined>(filter?.op)
  const [values, setValues] = useState<string[]>(filter?.values ?? [])
  const [asked, setAsked] = useState(false)
  const column = columns.find((c) => c.id === columnId)
  const ops = column ? opsOf(column) : []
  const op = chosenOp !== undefined && ops.includes(chosenOp) ? chosenOp : ops[0]
  const made: Filter | undefined = column &&
    op && { column: column.id, op, values: arity(op) === 0 ? [] : arity(op) === 1 ? values.slice(0, 1) : values }
  const wrong = made && column ? fault(made, column) : undefined

  function submit(event: SubmitEvent) {
    event.preventDefault()
    // A form inside a popover inside a form: its submit is not the outer one's.
    event.stopPropagation()
    setAsked(true)
    if (made && wrong === undefined) onDone(made)
  }

  return (
    <form onSubmit={submit} className="flex flex-col gap-2.5">
      <Field label="Column">
        <Combobox
          value={columnId}
          onChange={(id) => {
            setColumn(id)
            if (id !== columnId) setValues([])
          }}
          options={columns.map((c) => ({ value: c.id, label: c.label }))}
          placeholder="Choose a column"
        />
      </Field>
      {column && op && (
        <>
          <Field label="Condition">
            <Select
              value={op}
              onChange={(next) => setOp(next as Op)}
              options={ops.map((o) => ({ value: o, label: opWord(o, column.kind) }))}
            />
          </Field>
          <Values column={column} op={op} values={values} onChange={setValues} />
        </>
      )}
      {asked && wrong !== undefined && (
        <p role="alert" className="text-xs text-bad">
          {wrong}
        </p>
      )}
      <Button type="submit" look="primary" disabled={!column}>
        {filter ? 'Change' : 'Add filter'}
      </Button>
    </form>
  )
}

function Values({
  column,
  op,
  values,
  onChange,
}: {
  column: FilterColumn
  op: Op
  values: string[]
  onChange: (values: string[]) => void
}) {
  const many = arity(op)
  if (many === 0) return null
  const choices =
    column.kind === 'boolean'
      ? [
          { value: 'true', label: 'Yes' },
          { value: 'false', label: 'No' },
        ]
      : column.kind === 'choice'
        ? column.choices
        : undefined
  if (choices && many === 1) {
    return (
      <Field label="Value">
        <Select value={values[0]} onChange={(value) => onChange([value])} options={choices} />
      </Field>
    )
  }
  if (choices) {
    return (
      <fieldset className="flex max-h-48 flex-col gap-1.5 overflow-y-auto">
        <legend className="mb-1 text-sm font-medium">Values</legend>
        {choices.map(({ value, label }) => (
          <Checkbox
            key={value}
            label={label}
            checked={values.includes(value)}
            onChange={(on) => onChange(on ? [...values, value] : values.filter((v) => v !== value))}
          />
        ))}
      </fieldset>
    )
  }
  const type = column.kind === 'date' ? 'date' : column.kind === 'timestamp' ? 'datetime-local' : 'text'
  const numeric = column.kind === 'number'
  if (many === Infinity) {
    return (
      <Field label="Values" hint="Several, with commas between them.">
        <Input value={values.join(', ')} onChange={(event) => onChange(event.target.value.split(/,\s*/))} />
      </Field>
    )
  }
  const set = (i: number, value: string) =>
    onChange(Array.from({ length: many }, (_, j) => (j === i ? value : (values[j] ?? ''))))
  return (
    <>
      <Field label={many === 2 ? 'From' : 'Value'}>
        <Input type={type} numeric={numeric} value={values[0] ?? ''} onChange={(event) => set(0, event.target.value)} />
      </Field>
      {many === 2 && (
        <Field label="To">
          <Input
            type={type}
            numeric={numeric}
            value={values[1] ?? ''}
            onChange={(event) => set(1, event.target.value)}
          />
        </Field>
      )}
    </>
  )
}
