// This file lets the compiler accept functions without a body, which links.go links to functions of upstream.
