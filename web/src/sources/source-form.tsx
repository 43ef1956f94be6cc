import { api, type Schema } from '@/lib/api'
import { data, ifMatch } from '@/lib/http'
import { asProblem, type Problem } from '@/lib/problem'
import { Button } from '@/ui/button'
import { cx } from '@/ui/cx'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Select } from '@/ui/select'
import { ErrorState } from '@/ui/states'
import { Note } from '@/ui/status'
import { toast } from '@/ui/toast'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import type { Source, SourceField, SourceType } from './api'
import { faultsOf, fieldsOf, inputOf, titleOf, type SourceAnswers } from './form'
import { Sample } from './sample'

export interface SourceFormProps {
  types: readonly SourceType[]
  answers: SourceAnswers
  /** What is changed; without, a source is made. */
  source?: { source: Source; etag: string | null }
  onSaved: (alias: string) => void
  onCancel: () => void
}

type Test = Schema<'SourceTest'>

/** Asks for what a source of a type needs, tries it, and saves it. */
export function SourceForm({ types, answers: first, source, onSaved, onCancel }: SourceFormProps) {
  const [answers, setAnswers] = useState(first)
  const [faults, setFaults] = useState<Record<string, string>>({})
  const client = useQueryClient()
  const type = types.find((t) => t.type === answers.type) ?? types[0]

  const test = useMutation<Test, Problem, SourceType>({
    mutationFn: (type) => data(api.POST('/api/sources/test', { body: inputOf(type, answers) })),
  })
  const save = useMutation<unknown, Problem, SourceType>({
    mutationFn: async (type) => {
      const body = inputOf(type, answers)
      await data(
        api.PUT('/api/sources/{alias}', {
          params: {
            path: { alias: body.alias },
            // A new source does not replace one of the same name.
            header: source ? ifMatch(source.etag) : { 'If-None-Match': '*' },
          },
          body,
        }),
      )
      // The list and the page show what the source holds.
      await data(api.POST('/api/sources/{alias}/test', { params: { path: { alias: body.alias } } })).catch(
        () => undefined,
      )
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['sources'] })
      toast.done(`Source ${answers.alias.trim()} saved`)
      onSaved(answers.alias.trim())
    },
  })
  if (!type) return null

  const problem = [save.error, test.error].find((p) => p)
  const refused = test.data && !test.data.ok ? test.data : undefined
  const fields = fieldsOf(type, answers)
  const main = fields.filter(
    (f) => f.required || ['port', 'user', 'password', 'table', 'query', 'format'].includes(f.name),
  )
  const more = fields.filter((f) => !main.includes(f))
  const errorOf = (name: string) => {
    if (faults[name] !== undefined) return faults[name]
    const said = problem?.faultOf(name)
    if (said !== undefined) return said
    if (name !== 'path' && name !== 'uri') return undefined
    // What is behind the scheme is the URI to the server.
    return (
      problem?.faultOf('uri') ??
      (refused?.error === undefined ? undefined : [refused.error, refused.hint].filter(Boolean).join(': '))
    )
  }
  const placed =
    refused !== undefined && (answers.uri !== undefined || fields.some((f) => f.kind === 'path')) ? 'field' : 'note'
  const taken = save.error?.status === 412 && !source

  function set(change: Partial<SourceAnswers>) {
    setAnswers((was) => ({ ...was, ...change }))
    setFaults({})
    test.reset()
    save.reset()
  }
  const value = (name: string, text: string) => set({ values: { ...answers.values, [name]: text } })

  function valid(): boolean {
    if (!type) return false
    const found = faultsOf(type, answers)
    setFaults(found)
    return Object.keys(found).length === 0
  }

  /** Saves what could be read; what could not is for the reader to mend, or to save all the same. */
  async function submit(event: SubmitEvent) {
    event.preventDefault()
    if (!type || !valid()) return
    try {
      if (!refused && !test.data) {
        const tested = await test.mutateAsync(type)
        if (!tested.ok) return
      }
      await save.mutateAsync(type)
    } catch {
      // The form shows it.
    }
  }

  return (
    <form onSubmit={(event) => void submit(event)} noValidate className="flex max-w-2xl flex-col gap-4">
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        <Field label="Type">
          <Select
            value={type.type}
            disabled={source !== undefined}
            onChange={(next) => set({ type: next, values: {}, uri: undefined })}
            options={types.map((t) => ({ value: t.type, label: t.title }))}
          />
        </Field>
        <Field
          label="Name"
          hint="What recipes call it."
          error={
            errorOf('alias') ??
            (taken ? 'There is a source of this name already: choose another, or change that one.' : undefined)
          }
        >
          <Input
            value={answers.alias}
            disabled={source !== undefined}
            placeholder="bank_statements"
            onChange={(event) => set({ alias: event.target.value })}
          />
        </Field>
      </div>
      {answers.uri !== undefined && (
        <Field
          label="URI"
          hint="A secret shown as **** stays what it is, as long as the server is the same."
          error={errorOf('uri')}
        >
          <Input value={answers.uri} onChange={(event) => set({ uri: event.target.value })} spellCheck={false} />
        </Field>
      )}
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        {main.map((field) => (
          <div key={field.name} className={cx((field.kind === 'path' || field.name === 'query') && 'col-span-full')}>
            <FieldOf
              field={field}
              type={type}
              value={answers.values[field.name] ?? ''}
              error={errorOf(field.name)}
              onChange={(text) => value(field.name, text)}
            />
          </div>
        ))}
      </div>
      {more.length > 0 && (
        <details
          className="rounded-md border border-line"
          open={more.some((f) => errorOf(f.name) !== undefined) || undefined}
        >
          <summary className="cursor-pointer px-3 py-2 text-sm font-medium">
            More settings
            <span className="ml-2 font-normal text-muted">
              {more.filter((f) => answers.values[f.name]).length || 'none'} set
            </span>
          </summary>
          <div className="grid grid-cols-2 gap-4 border-t border-line p-3 max-sm:grid-cols-1">
            {more.map((field) => (
              <FieldOf
                key={field.name}
                field={field}
                type={type}
                value={answers.values[field.name] ?? ''}
                error={errorOf(field.name)}
                onChange={(text) => value(field.name, text)}
              />
            ))}
          </div>
        </details>
      )}

      {test.data?.ok && (
        <div className="flex flex-col gap-2">
          <Note tone="ok" title="It can be read" />
          <Sample label="First rows" columns={test.data.columns ?? []} rows={test.data.rows ?? []} height={220} />
        </div>
      )}
      {refused && placed === 'note' && (
        <div role="alert">
          <Note tone="bad" title={refused.error ?? 'It cannot be read'}>
            {refused.hint}
          </Note>
        </div>
      )}
      {problem && !taken && problem.faults.length === 0 && <ErrorState error={asProblem(problem)} small />}

      <div className="flex flex-wrap items-center justify-end gap-2 border-t border-line pt-4">
        <Button look="quiet" onClick={onCancel}>
          Cancel
        </Button>
        <Button busy={test.isPending} onClick={() => valid() && test.mutate(type)}>
          Test
        </Button>
        <Button type="submit" look="primary" busy={save.isPending}>
          {refused ? 'Save although it cannot be read' : 'Save'}
        </Button>
      </div>
    </form>
  )
}

function FieldOf(props: {
  field: SourceField
  type: SourceType
  value: string
  error: string | undefined
  onChange: (value: string) => void
}) {
  const { field, type, value, error, onChange } = props
  // What begins with a name, such as utf-8, is left as it is written.
  const help = field.help
    ?.replace(/^[a-z]+(?=[ ,])/, (word) => word.charAt(0).toUpperCase() + word.slice(1))
    .concat('.')
  const hint =
    field.kind === 'secret'
      ? `${help ?? ''} It is stored encrypted; \${NAME} takes it from the scheduler's environment.`
      : field.kind === 'path'
        ? type.scheme
          ? `Behind ${type.scheme}; * stands for several files.`
          : 'The whole path on the machine that runs Kalla, beginning with /; * stands for several files.'
        : help
  return (
    <Field label={titleOf(field)} optional={!field.required} {...(hint !== undefined && { hint })} error={error}>
      <Control field={field} type={type} value={value} onChange={onChange} />
    </Field>
  )
}

/** What no choice means: how a file is written is found out, all else has a default. */
function whenEmpty({ name, format, default: value }: SourceField): string {
  if (value) return `Default (${value})`
  return format || name === 'format' || name === 'compression' ? 'Detect' : 'Default'
}

// Radix takes no empty value for an option.
const asDefault = '(default)'

function Control({
  field,
  type,
  value,
  onChange,
  ...wired
}: {
  field: SourceField
  type: SourceType
  value: string
  onChange: (value: string) => void
}) {
  const choices =
    field.kind === 'boolean'
      ? [
          { value: 'true', label: 'Yes' },
          { value: 'false', label: 'No' },
        ]
      : field.kind === 'choice'
        ? (field.choices ?? []).map((c) => ({ value: c, label: c === ' ' ? 'space' : c }))
        : undefined
  if (choices)
    return (
      <Select
        value={value || asDefault}
        onChange={(next) => onChange(next === asDefault ? '' : next)}
        options={[{ value: asDefault, label: whenEmpty(field) }, ...choices]}
        {...wired}
      />
    )
  return (
    <Input
      value={value}
      onChange={(event) => onChange(event.target.value)}
      spellCheck={false}
      {...(field.kind === 'secret' && { type: 'password', autoComplete: 'new-password' })}
      {...(field.kind === 'integer' && { inputMode: 'numeric' as const })}
      placeholder={field.default ?? (field.kind === 'path' ? examples[type.type] : undefined)}
      {...wired}
    />
  )
}

const examples: Record<string, string> = {
  file: '/data/bank/2026-11.csv',
  s3: 'bucket/bank/2026-11.csv',
  gs: 'bucket/bank/2026-11.csv',
  az: 'container/bank/2026-11.csv',
  http: 'files.example.com/2026-11.csv',
  sqlite: '/data/ledger.db',
}
