// This file lets the compiler accept functions without a body, which flush.go links to methods of the queue.
