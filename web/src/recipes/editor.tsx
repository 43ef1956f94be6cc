import type { JsonSchema } from '@/lib/schema-complete'
import { plural } from '@/lib/format'
import { Button } from '@/ui/button'
import { CodeEditor, type CodeEditorHandle } from '@/ui/code-editor'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Note } from '@/ui/status'
import { useQuery } from '@tanstack/react-query'
import { CircleAlert, CircleCheck, LoaderCircle, Plus } from 'lucide-react'
import { useMemo, useRef, useState } from 'react'
import { recipeSchemaQuery, type RecipeFault, type Sentence } from './api'
import { useColumns } from './columns'
import { moved, replaced, withPasses, type Pass, type RecipeDocument } from './model'
import { RuleCard } from './rule-card'
import type { RecipeDraft } from './use-document'

/** A recipe in sentences beside its YAML. Either can be changed, and the other follows. */
export function RecipeEditor({ draft, readOnly }: { draft: RecipeDraft; readOnly: boolean }) {
  const schema = useQuery(recipeSchemaQuery)
  const yaml = useRef<CodeEditorHandle>(null)
  const { text, checked, current, error } = draft
  const faults = useMemo(
    () =>
      (checked?.faults ?? []).flatMap((f) =>
        f.line ? [{ line: f.line, ...(f.column && { column: f.column }), message: faultText(f) }] : [],
      ),
    [checked],
  )
  const commented = /(^|\s)#/.test(text)
  return (
    <div className="grid min-h-0 grid-cols-2 gap-4 max-lg:grid-cols-1">
      <section aria-label="The recipe in words" className="flex min-w-0 flex-col gap-3">
        {error && checked && (
          <Note tone="warn" title="The words may be of an earlier state">
            The recipe could not be checked: {error.message}
            <Button small className="mt-1 block" onClick={draft.retry}>
              Check again
            </Button>
          </Note>
        )}
        {!checked ? (
          error ? (
            <ErrorState error={error} onRetry={draft.retry} small />
          ) : (
            <Loading label="Reading the recipe">
              <Skeleton className="h-72 w-full" />
            </Loading>
          )
        ) : (
          <Words
            sentences={checked.sentences}
            recipe={checked.recipe}
            editable={!readOnly && current}
            change={draft.change}
          />
        )}
      </section>
      <section aria-label="The recipe as YAML" className="flex min-w-0 flex-col gap-2">
        <CodeEditor
          ref={yaml}
          label="Recipe as YAML"
          value={text}
          onChange={draft.type}
          faults={faults}
          readOnly={readOnly}
          minLines={24}
          {...(schema.data !== undefined && { schema: schema.data as JsonSchema })}
        />
        <Verdict
          faults={checked?.faults ?? []}
          current={current}
          known={checked !== undefined}
          failed={error !== undefined && !current}
          onGoTo={(line, column) => yaml.current?.goTo(line, column)}
        />
        {commented && !readOnly && (
          <p className="text-xs text-muted">
            Changes made in the words write the YAML anew, without its comments. Undo in the YAML brings them back.
          </p>
        )}
      </section>
    </div>
  )
}

function faultText(f: RecipeFault): string {
  return `${f.path ? `${f.path} ` : ''}${f.problem}${f.hint ? `: ${f.hint}` : ''}`
}

/** Whether the recipe is right, and everything that is not. */
export function Verdict({
  faults,
  current,
  known,
  failed = false,
  onGoTo,
}: {
  faults: readonly RecipeFault[]
  current: boolean
  known: boolean
  /** It could not be checked. */
  failed?: boolean
  /** Shows the place of a fault in the YAML. */
  onGoTo?: (line: number, column?: number) => void
}) {
  return (
    <div role="status" className="text-sm">
      {failed ? (
        <p className="flex items-center gap-1.5 text-warn">
          <CircleAlert size={14} aria-hidden />
          Not checked
        </p>
      ) : !known || !current ? (
        <p className="flex items-center gap-1.5 text-muted">
          <LoaderCircle size={14} className="animate-spin" aria-hidden />
          Checking
        </p>
      ) : faults.length === 0 ? (
        <p className="flex items-center gap-1.5 text-ok">
          <CircleCheck size={14} aria-hidden />
          Nothing is wrong with it
        </p>
      ) : (
        <>
          <p className="flex items-center gap-1.5 text-bad">
            <CircleAlert size={14} aria-hidden />
            {plural(faults.length, 'fault')}
          </p>
          <ul className="mt-1 flex flex-col gap-1">
            {faults.map((f, i) => (
              <li key={i}>
                {f.line && onGoTo ? (
                  <button
                    type="button"
                    title="Show it in the YAML"
                    onClick={() => onGoTo(f.line ?? 1, f.column)}
                    className="-mx-1.5 flex w-[calc(100%+12px)] gap-2 rounded-sm px-1.5 py-0.5 text-left hover:bg-hover pointer-coarse:py-2"
                  >
                    <FaultText fault={f} />
                  </button>
                ) : (
                  <span className="flex gap-2 py-0.5">
                    <FaultText fault={f} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  )
}

function FaultText({ fault: { line, path, problem, hint } }: { fault: RecipeFault }) {
  return (
    <>
      <span className="num w-14 shrink-0 text-xs leading-[18px] text-muted">{line ? `line ${line}` : ''}</span>
      <span className="min-w-0">
        {path && <code className="mr-1 font-mono text-xs">{path}</code>}
        {problem}
        {hint && <span className="text-muted">: {hint}</span>}
      </span>
    </>
  )
}

function Words(props: {
  sentences: readonly Sentence[]
  recipe: RecipeDocument | undefined
  editable: boolean
  change: RecipeDraft['change']
}) {
  const { sentences, recipe, editable, change } = props
  const columns = useColumns(recipe)
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set())
  const before = sentences.filter((s) => s.path.startsWith('sources') || s.path.startsWith('extras'))
  const after = sentences.filter((s) => !before.includes(s) && !/^match\[/.test(s.path))
  const passes = recipe?.match ?? []
  const setPasses = (how: (passes: Pass[]) => Pass[]) => change((r) => withPasses(r, how(r.match ?? [])))

  if (sentences.length === 0)
    return (
      <Note tone="neutral" title="The words come once the YAML can be read">
        What stands in the way is listed below it.
      </Note>
    )
  return (
    <>
      <Group title="Sources" sentences={before} />
      <div className="flex flex-col gap-2">
        <h2 className="text-xs font-semibold text-muted">Passes, in order over what earlier ones left</h2>
        {passes.map((pass, i) => {
          const sentence = sentences.find((s) => s.path === `match[${i}]`)
          if (!open.has(i))
            return (
              <div key={i} className="card flex items-start gap-2 px-3 py-2">
                <p className="min-w-0 flex-1 text-sm leading-5">{sentence?.text ?? pass.name}</p>
                {editable && (
                  <Button small aria-label={`Edit pass ${i + 1}`} onClick={() => setOpen(new Set([...open, i]))}>
                    Edit
                  </Button>
                )}
              </div>
            )
          return (
            <RuleCard
              key={i}
              number={i + 1}
              pass={pass}
              columns={columns}
              left={recipe?.sources.left.alias ?? ''}
              right={recipe?.sources.right.alias ?? ''}
              onChange={editable ? (next) => setPasses((all) => replaced(all, i, next)) : undefined}
              {...(passes.length > 1 && {
                onRemove: () => {
                  setOpen(new Set())
                  setPasses((all) => replaced(all, i, undefined))
                },
                onMove: (by) => {
                  setOpen(new Set([i + by]))
                  setPasses((all) => moved(all, i, by))
                },
              })}
              about={sentence?.text}
              aside={
                <Button
                  small
                  look="quiet"
                  aria-label={`Close pass ${i + 1}`}
                  onClick={() => setOpen(new Set([...open].filter((n) => n !== i)))}
                >
                  Close
                </Button>
              }
            />
          )
        })}
        {editable && recipe && !recipe['match_sql'] && (
          <div>
            <Button
              small
              icon={<Plus size={13} />}
              onClick={() => {
                setOpen(new Set([...open, passes.length]))
                setPasses((all) => [...all, newPass(recipe, all)])
              }}
            >
              Add a pass
            </Button>
          </div>
        )}
      </div>
      <Group title="Checks and keys" sentences={after} />
    </>
  )
}

/** A pass to begin with: the first condition of the first pass, or the keys of both sides. */
function newPass(recipe: RecipeDocument, passes: readonly Pass[]): Pass {
  const { left, right } = recipe.sources
  const first = passes[0]?.when?.[0] ?? { left: left.primary_key[0] ?? '', right: right.primary_key[0] ?? '' }
  return { name: `pass ${passes.length + 1}`, cardinality: 'one_to_one', when: [first] }
}

function Group({ title, sentences }: { title: string; sentences: readonly Sentence[] }) {
  if (sentences.length === 0) return null
  return (
    <div>
      <h2 className="mb-1 text-xs font-semibold text-muted">{title}</h2>
      <ul className="flex flex-col gap-1">
        {sentences.map((s, i) => (
          <li key={i} className="text-sm leading-5">
            {s.text}
          </li>
        ))}
      </ul>
    </div>
  )
}
