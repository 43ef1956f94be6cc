import { lazy, Suspense } from 'react'
import type { CodeEditorProps } from './code-mirror'
import { Skeleton } from './states'

export type { CodeEditorHandle, CodeEditorProps, LineFault } from './code-mirror'

// CodeMirror is as large as the rest of the app, and most pages need none.
const CodeMirror = lazy(() => import('./code-mirror'))

/** An editor for YAML that marks faults at their lines; loaded when it is first shown. */
export function CodeEditor(props: CodeEditorProps) {
  return (
    <Suspense fallback={<Skeleton className="h-64 w-full" />}>
      <CodeMirror {...props} />
    </Suspense>
  )
}
