import { Button } from '@/ui/button'
import { ChartNoAxesColumn, Table2 } from 'lucide-react'
import { useEffect, useId, useRef, useState, type ReactNode, type RefObject } from 'react'

export interface FigureProps {
  title: string
  /** What the chart shows, in a sentence, as one would tell it on the phone. */
  description: string
  /** The same as a table: for those who cannot see the chart, or do not trust it. */
  table: { head: string[]; rows: ReactNode[][] }
  /** Beside the title. */
  aside?: ReactNode
  /** What is said where there is nothing to draw. */
  empty?: string
  children: ReactNode
}

/** The frame of every chart: title, description, the data as a table, and what to say without data. */
export function Figure({
  title,
  description,
  table,
  aside,
  empty = 'There is nothing to show yet.',
  children,
}: FigureProps) {
  const id = useId()
  const [asTable, setAsTable] = useState(false)
  const none = table.rows.length === 0
  return (
    <figure aria-labelledby={id} aria-describedby={`${id}-about`} className="min-w-0">
      <div className="mb-3 flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <h3 id={id} className="text-sm font-semibold">
            {title}
          </h3>
          <p id={`${id}-about`} className="text-xs text-muted">
            {none ? empty : description}
          </p>
        </div>
        {aside}
        {!none && (
          <Button
            small
            look="quiet"
            aria-pressed={asTable}
            icon={asTable ? <ChartNoAxesColumn size={13} /> : <Table2 size={13} />}
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? 'Chart' : 'Table'}
          </Button>
        )}
      </div>
      {none ? null : asTable ? (
        <div className="max-h-80 overflow-auto" role="region" aria-label={title} tabIndex={0}>
          <table className="w-full text-sm">
            <thead>
              <tr>
                {table.head.map((name, i) => (
                  <th
                    key={name}
                    scope="col"
                    className={`border-b border-line py-1 pr-3 text-xs font-medium text-muted ${i === 0 ? 'text-left' : 'text-right'}`}
                  >
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((cells, i) => (
                <tr key={i}>
                  {cells.map((cell, j) => (
                    <td
                      key={j}
                      className={`num border-b border-line py-1 pr-3 ${j === 0 ? 'text-left' : 'text-right'}`}
                    >
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        children
      )}
    </figure>
  )
}

/** The width of an element in pixels, 0 before it is known. */
export function useWidth<E extends HTMLElement>(): [RefObject<E | null>, number] {
  const ref = useRef<E>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    if (!ref.current) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    observer.observe(ref.current)
    return () => observer.disconnect()
  }, [])
  return [ref, width]
}
