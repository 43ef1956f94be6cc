import { useEffect, type ReactNode } from 'react'

/** A page for those who are not signed in: a card in the middle. */
export function Outside({ title, about, children }: { title: string; about?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Kalla`
  }, [title])
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-6 px-4 py-10">
      <p className="flex items-center gap-2.5 text-lg font-semibold">
        <img src="/favicon.svg" alt="" width={28} height={28} />
        Kalla
      </p>
      <div className="card w-full max-w-sm p-6">
        <h1 className="text-lg font-semibold">{title}</h1>
        {about !== undefined && <p className="mt-0.5 text-sm text-muted">{about}</p>}
        <div className="mt-5">{children}</div>
      </div>
    </main>
  )
}
