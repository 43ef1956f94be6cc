import type { Filter } from '@/lib/filters'
import { accept, acceptWords, fileToSource, sourceQuery, sourcesQuery } from '@/sources/api'
import { ScopedSample } from '@/sources/scoped-sample'
import { Button, IconButton } from '@/ui/button'
import { Combobox } from '@/ui/combobox'
import { FileDrop } from '@/ui/file-drop'
import { Note } from '@/ui/status'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ArrowLeftRight, ArrowRight, X } from 'lucide-react'
import { useRef, type Dispatch } from 'react'
import type { Action, Side, WizardState } from './state'

const sides: readonly Side[] = ['left', 'right']

export interface SourcesStepProps {
  state: WizardState
  dispatch: Dispatch<Action>
  canUpload: boolean
  /** Rules are asked for, or those that are there gone on with. */
  onNext: () => void
  busy: boolean
}

/** Two sources are chosen or dropped, and scoped if that is wanted. */
export function SourcesStep({ state, dispatch, canUpload, onNext, busy }: SourcesStepProps) {
  const sources = useQuery(sourcesQuery)
  const client = useQueryClient()
  const { left, right } = state.sources
  // A file that is on its way has its side already, so that two go to the sides in their order.
  const waiting = useRef(new Set<Side>())
  const both = left !== undefined && right !== undefined
  const same = both && left === right

  async function upload(file: File, progress: (share: number) => void, signal: AbortSignal) {
    const side = sides.find((s) => state.sources[s] === undefined && !waiting.current.has(s))
    if (side) waiting.current.add(side)
    try {
      const source = await fileToSource(file, progress, signal)
      client.setQueryData(sourceQuery(source.alias).queryKey, { source, etag: null })
      await client.invalidateQueries({ queryKey: sourcesQuery.queryKey, exact: true })
      if (side) dispatch({ do: 'choose', side, alias: source.alias })
    } finally {
      if (side) waiting.current.delete(side)
    }
  }

  const options = (sources.data ?? []).map((s) => ({
    value: s.alias,
    label: s.alias,
    detail: s.source_type,
  }))
  return (
    <div className="flex flex-col gap-4">
      {canUpload && !both && (
        <FileDrop
          multiple
          accept={accept}
          hint={`${left === undefined && right === undefined ? 'Two of them, one for each side: ' : ''}${acceptWords}. They are kept as sources.`}
          upload={upload}
        />
      )}
      <div className="grid grid-cols-[minmax(0,1fr)_auto_minmax(0,1fr)] items-start gap-3 max-lg:grid-cols-1">
        {sides
          .map((side) => (
            <SideCard
              key={side}
              side={side}
              alias={state.sources[side]}
              options={options}
              filters={state.filters[side]}
              onChoose={(alias) => dispatch({ do: 'choose', side, alias })}
              onFilters={(filters) => dispatch({ do: 'scope', side, filters })}
            />
          ))
          .flatMap((card, i) =>
            i === 0
              ? [
                  card,
                  <IconButton
                    key="swap"
                    label="Swap the sides"
                    className="mt-7.5 max-lg:mt-0 max-lg:self-center max-lg:justify-self-center"
                    disabled={left === undefined && right === undefined}
                    onClick={() => dispatch({ do: 'swap' })}
                  >
                    <ArrowLeftRight size={15} className="max-lg:rotate-90" />
                  </IconButton>,
                ]
              : [card],
          )}
      </div>
      {same && (
        <Note tone="warn" title="Both sides are the same source">
          Choose another for one of them.
        </Note>
      )}
      {sources.data?.length === 0 && !canUpload && (
        <Note tone="neutral" title="There are no sources yet">
          Somebody with the permission to add sources has to add two.
        </Note>
      )}
      <div className="flex flex-wrap items-center justify-end gap-3">
        {canUpload && (
          <Link to="/sources/new" className="mr-auto text-sm text-accent hover:underline">
            Connect to a bucket or a database
          </Link>
        )}
        <Button look="primary" disabled={!both || same} busy={busy} onClick={onNext}>
          Propose rules
          <ArrowRight size={14} aria-hidden />
        </Button>
      </div>
    </div>
  )
}

const titles: Record<Side, string> = { left: 'Left side', right: 'Right side' }

function SideCard(props: {
  side: Side
  alias: string | undefined
  options: { value: string; label: string; detail: string }[]
  filters: readonly Filter[]
  onChoose: (alias: string | undefined) => void
  onFilters: (filters: Filter[]) => void
}) {
  const { side, alias, options, filters, onChoose, onFilters } = props
  return (
    <section aria-label={titles[side]} className="flex min-w-0 flex-col gap-2.5">
      <h2 className="text-sm font-semibold">{titles[side]}</h2>
      <div className="flex gap-1">
        <Combobox
          aria-label={titles[side]}
          value={alias}
          onChange={onChoose}
          options={options}
          placeholder="Choose a source"
          none="No source is called so."
        />
        {alias !== undefined && (
          <IconButton label={`Take another than ${alias}`} onClick={() => onChoose(undefined)}>
            <X size={14} />
          </IconButton>
        )}
      </div>
      {alias !== undefined && <Chosen alias={alias} filters={filters} onFilters={onFilters} />}
    </section>
  )
}

function Chosen(props: { alias: string; filters: readonly Filter[]; onFilters: (filters: Filter[]) => void }) {
  const found = useQuery(sourceQuery(props.alias))
  return (
    <ScopedSample
      alias={props.alias}
      columns={found.data?.source.columns}
      filters={props.filters}
      onFilters={props.onFilters}
      limit={20}
      height={300}
    />
  )
}
