import { DateTime } from '@/ui/values'
import { Select } from '@/ui/select'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { diffQuery, versionsQuery } from './api'
import { DiffView } from './diff-view'
import { cx } from '@/ui/cx'

/** The history of a recipe, and what differs between two of its versions. */
export function Versions({ id }: { id: string }) {
  const versions = useQuery(versionsQuery(id))
  const [chosen, setChosen] = useState<{ from: number; to: number }>()
  if (versions.error) return <ErrorState error={versions.error} onRetry={() => void versions.refetch()} small />
  if (!versions.data)
    return (
      <Loading label="Loading the versions">
        <Skeleton className="h-64 w-full" />
      </Loading>
    )
  const newest = versions.data[0]?.version ?? 1
  const { from, to } = chosen ?? { from: Math.max(1, newest - 1), to: newest }
  const options = versions.data.map((v) => ({ value: String(v.version), label: `Version ${v.version}` }))
  return (
    <div className="grid grid-cols-[18rem_minmax(0,1fr)] gap-4 max-lg:grid-cols-1">
      <ol aria-label="Versions" className="card flex max-h-[70vh] flex-col overflow-y-auto py-1">
        {versions.data.map((v) => (
          <li key={v.version}>
            <button
              type="button"
              aria-current={v.version === to}
              onClick={() => setChosen({ from: Math.max(1, v.version - 1), to: v.version })}
              className={cx(
                'flex w-full flex-col px-3 py-1.5 text-left outline-offset-[-2px] hover:bg-hover',
                v.version === to && 'bg-accent-soft',
              )}
            >
              <span className="flex w-full justify-between gap-2 text-sm font-medium">
                Version {v.version}
                <span className="text-xs font-normal text-muted">
                  <DateTime value={v.created_at} relative />
                </span>
              </span>
              <span className="text-xs text-muted">
                {v.author}
                {v.message ? `: ${v.message}` : ''}
              </span>
            </button>
          </li>
        ))}
      </ol>
      <div className="flex min-w-0 flex-col gap-3">
        <div className="flex flex-wrap items-center gap-2 text-sm">
          <span className="w-32">
            <Select
              small
              aria-label="Before"
              value={String(from)}
              onChange={(v) => setChosen({ from: Number(v), to })}
              options={options}
            />
          </span>
          <span className="text-muted">compared with</span>
          <span className="w-32">
            <Select
              small
              aria-label="After"
              value={String(to)}
              onChange={(v) => setChosen({ from, to: Number(v) })}
              options={options}
            />
          </span>
        </div>
        {from === to ? (
          <p className="text-sm text-muted">
            {newest === 1 ? 'There is one version so far.' : 'Choose two versions to compare.'}
          </p>
        ) : (
          <Diff id={id} from={from} to={to} />
        )}
      </div>
    </div>
  )
}

function Diff({ id, from, to }: { id: string; from: number; to: number }) {
  const diff = useQuery(diffQuery(id, from, to))
  if (diff.error) return <ErrorState error={diff.error} onRetry={() => void diff.refetch()} small />
  if (!diff.data)
    return (
      <Loading label="Comparing the versions">
        <Skeleton className="h-48 w-full" />
      </Loading>
    )
  const changes = diff.data.changes ?? []
  return (
    <>
      {changes.length > 0 ? (
        <ul aria-label="Changes in words" className="flex flex-col gap-1 text-sm">
          {changes.map((c, i) => (
            <li key={i} className="flex gap-2">
              <span aria-hidden className="text-faint">
                •
              </span>
              {c.text}
            </li>
          ))}
        </ul>
      ) : (
        <p className="text-sm text-muted">The recipe does the same in both; only how it is written differs.</p>
      )}
      <DiffView
        before={diff.data.from_document}
        after={diff.data.to_document}
        beforeLabel={`Version ${from}`}
        afterLabel={`Version ${to}`}
      />
    </>
  )
}
