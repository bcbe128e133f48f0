package cardinalityguardprocessor

import "net/http"

func (g *guard) page() http.Handler { return http.NotFoundHandler() }
