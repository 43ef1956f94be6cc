import { isDecimal } from '@/lib/decimal'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Select } from '@/ui/select'
import type { Parameter } from './api'

/** What is wrong with the values of parameters, by name. Empty ones that have a default are right. */
export function parameterFaults(
  parameters: readonly Parameter[],
  values: Record<string, string>,
): Record<string, string> {
  const faults: Record<string, string> = {}
  for (const p of parameters) {
    const value = values[p.name]?.trim() ?? ''
    if (value === '') {
      if (p.required || (p.default ?? '') === '') faults[p.name] = 'A value is needed.'
    } else if (p.type === 'integer' && !/^-?\d+$/.test(value)) faults[p.name] = 'Write a whole number.'
    else if (p.type === 'decimal' && !isDecimal(value)) faults[p.name] = 'Write a number such as 0.02, with a point.'
    else if (p.type === 'date' && !/^\d{4}-\d\d-\d\d$/.test(value)) faults[p.name] = 'Write a date as 2026-11-30.'
  }
  return faults
}

/** The values that were given: what is empty takes its default. */
export function givenValues(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value.trim() !== ''))
}

export interface ParametersFormProps {
  parameters: readonly Parameter[]
  values: Record<string, string>
  onChange: (values: Record<string, string>) => void
  faults?: Record<string, string>
}

/** Asks for the values of a recipe's parameters, by their types. */
export function ParametersForm({ parameters, values, onChange, faults = {} }: ParametersFormProps) {
  return (
    <div className="grid grid-cols-2 gap-3 max-sm:grid-cols-1">
      {parameters.map((p) => (
        <Field
          key={p.name}
          label={p.name}
          optional={!p.required && (p.default ?? '') !== ''}
          {...(p.description !== undefined && { hint: p.description })}
          error={faults[p.name]}
        >
          <Value
            parameter={p}
            value={values[p.name] ?? ''}
            onChange={(value) => onChange({ ...values, [p.name]: value })}
          />
        </Field>
      ))}
    </div>
  )
}

const asDefault = '(default)'

function Value({
  parameter,
  value,
  onChange,
  ...wired
}: {
  parameter: Parameter
  value: string
  onChange: (value: string) => void
}) {
  if (parameter.type === 'boolean')
    return (
      <Select
        value={value || (parameter.default ? asDefault : undefined)}
        onChange={(next) => onChange(next === asDefault ? '' : next)}
        options={[
          ...(parameter.default
            ? [{ value: asDefault, label: `Default (${parameter.default === 'true' ? 'yes' : 'no'})` }]
            : []),
          { value: 'true', label: 'Yes' },
          { value: 'false', label: 'No' },
        ]}
        {...wired}
      />
    )
  return (
    <Input
      value={value}
      onChange={(event) => onChange(event.target.value)}
      placeholder={parameter.default}
      numeric={parameter.type === 'integer' || parameter.type === 'decimal'}
      {...(parameter.type === 'date' && { type: 'date' })}
      {...wired}
    />
  )
}
