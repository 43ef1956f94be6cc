import type { ReactNode } from 'react'

export interface PanelProps {
  title: string
  about?: ReactNode
  /** Buttons beside the title. */
  actions?: ReactNode
  /** The content reaches the edges, as a table does. */
  flush?: boolean
  children?: ReactNode
}

/** One subject of the settings. */
export function Panel({ title, about, actions, flush, children }: PanelProps) {
  return (
    <section className="card overflow-hidden" aria-label={title}>
      <header className="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 pt-4 pb-3">
        <div className="min-w-0 flex-1 basis-60">
          <h2 className="text-sm font-semibold">{title}</h2>
          {about !== undefined && <p className="text-sm text-muted">{about}</p>}
        </div>
        {actions}
      </header>
      {children !== undefined && <div className={flush ? 'border-t border-line' : 'px-4 pb-4'}>{children}</div>}
    </section>
  )
}
