import type { ReactNode } from 'react'

/** A titled group of examples. */
export function Sample({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card mb-4 min-w-0 p-4" aria-label={title}>
      <h2 className="mb-3 text-sm font-semibold">{title}</h2>
      {children}
    </section>
  )
}

export function Wrap({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap items-center gap-2">{children}</div>
}
