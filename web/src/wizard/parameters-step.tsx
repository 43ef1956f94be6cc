import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/states'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import type { RecipeDocument } from '@/recipes/model'
import { ArrowRight, SlidersHorizontal } from 'lucide-react'
import { parameterised, suggestions, withdrawn } from './parameters'

export interface ParametersStepProps {
  recipe: RecipeDocument
  onChange: (recipe: RecipeDocument) => void
  onNext: () => void
}

/** Which values are asked for at every run. */
export function ParametersStep({ recipe, onChange, onNext }: ParametersStepProps) {
  const parameters = recipe.parameters ?? []
  const offered = suggestions(recipe)
  const describe = (name: string, description: string) =>
    onChange({
      ...recipe,
      parameters: parameters.map((p) => {
        if (p.name !== name) return p
        const { name: n, type, default: d, required } = p
        return {
          name: n,
          type,
          ...(d !== undefined && { default: d }),
          ...(required !== undefined && { required }),
          ...(description.trim() && { description }),
        }
      }),
    })
  return (
    <div className="flex max-w-3xl flex-col gap-4">
      <p className="text-sm text-muted">
        A value that changes from run to run, such as a tolerance or the beginning of a period, can be asked for each
        time. This step can be left out.
      </p>
      {parameters.length > 0 && (
        <section aria-label="Asked for at every run">
          <h2 className="mb-2 text-sm font-semibold">Asked for at every run</h2>
          <ul className="flex flex-col gap-2">
            {parameters.map((p) => (
              <li key={p.name} className="card flex flex-wrap items-end gap-x-4 gap-y-2 px-3 py-2.5">
                <div className="min-w-32">
                  <p className="font-mono text-sm font-medium">{p.name}</p>
                  <p className="num text-xs text-muted">
                    {p.type}, {String(p.default ?? '')} where nothing is given
                  </p>
                </div>
                <Field label="What people are asked" optional className="min-w-52 flex-1">
                  <Input
                    small
                    value={p.description ?? ''}
                    maxLength={1000}
                    onChange={(event) => describe(p.name, event.target.value)}
                  />
                </Field>
                <Button small look="quiet" onClick={() => onChange(withdrawn(recipe, p.name))}>
                  Fix its value
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {offered.length > 0 ? (
        <section aria-label="Fixed values">
          <h2 className="mb-2 text-sm font-semibold">Fixed values</h2>
          <ul className="card flex flex-col divide-y divide-line">
            {offered.map((s) => (
              <li key={s.paths.join('/')} className="flex flex-wrap items-center gap-3 px-3 py-2">
                <span className="min-w-0 flex-1 text-sm">
                  {s.text}
                  {s.paths.length > 1 && <span className="text-muted"> (in {s.paths.length} places)</span>}
                </span>
                <span className="num text-sm font-medium">{s.value}</span>
                <Button
                  small
                  aria-label={`Ask for ${s.name} at every run`}
                  onClick={() => onChange(parameterised(recipe, s))}
                >
                  Ask each time
                </Button>
              </li>
            ))}
          </ul>
        </section>
      ) : (
        parameters.length === 0 && (
          <EmptyState small title="Nothing to ask for" icon={<SlidersHorizontal size={18} />}>
            The rules hold no tolerance, window or filter.
          </EmptyState>
        )
      )}
      <div className="flex justify-end">
        <Button look="primary" onClick={onNext}>
          Review
          <ArrowRight size={14} aria-hidden />
        </Button>
      </div>
    </div>
  )
}
