// This file lets the compiler accept functions without a body, which link.go links to methods of the controller.
