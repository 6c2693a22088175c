#include "xfed/policy.h"

#define EXT   XFED_METHOD_EXTERNAL
#define DBTLS XFED_METHOD_DIALBACK_TLS
#define DBTCP XFED_METHOD_DIALBACK_PLAIN

#define NEVER_RUNS "dialback never runs: certificate login (sasl) is required"
#define NO_TLS_OUT "a partner that offers no TLS is refused: sasl needs TLS"
#define NEEDS_TLS  "certificate login (sasl) needs TLS, which is not supported"
#define NO_LOGIN   "certificate login (sasl) or dialback has to be on"

/* xfed's own reading of the 18 rows: required means required, in both directions. In the order of the Lync table. */
static const struct xfed_matrix_row rows[18] = {
	{ 1, XFED_REQUIRED, XFED_REQUIRED, true, EXT, NEVER_RUNS },
	{ 2, XFED_REQUIRED, XFED_REQUIRED, false, EXT, NULL },
	{ 3, XFED_OPTIONAL, XFED_REQUIRED, true, EXT, NEVER_RUNS "; " NO_TLS_OUT },
	{ 4, XFED_OPTIONAL, XFED_REQUIRED, false, EXT, NO_TLS_OUT },
	{ 5, XFED_NOT_SUPPORTED, XFED_REQUIRED, true, 0, NEEDS_TLS },
	{ 6, XFED_NOT_SUPPORTED, XFED_REQUIRED, false, 0, NEEDS_TLS },
	{ 7, XFED_REQUIRED, XFED_OPTIONAL, true, EXT | DBTLS, NULL },
	{ 8, XFED_REQUIRED, XFED_OPTIONAL, false, EXT, NULL },
	{ 9, XFED_OPTIONAL, XFED_OPTIONAL, true, EXT | DBTLS | DBTCP, NULL },
	{ 10, XFED_OPTIONAL, XFED_OPTIONAL, false, EXT, NO_TLS_OUT },
	{ 11, XFED_NOT_SUPPORTED, XFED_OPTIONAL, true, DBTCP, "certificate login (sasl) never runs: it needs TLS, which is not supported" },
	{ 12, XFED_NOT_SUPPORTED, XFED_OPTIONAL, false, 0, NEEDS_TLS ", and dialback is off" },
	{ 13, XFED_REQUIRED, XFED_NOT_SUPPORTED, true, DBTLS, NULL },
	{ 14, XFED_REQUIRED, XFED_NOT_SUPPORTED, false, 0, NO_LOGIN },
	{ 15, XFED_OPTIONAL, XFED_NOT_SUPPORTED, true, DBTLS | DBTCP, NULL },
	{ 16, XFED_OPTIONAL, XFED_NOT_SUPPORTED, false, 0, NO_LOGIN },
	{ 17, XFED_NOT_SUPPORTED, XFED_NOT_SUPPORTED, true, DBTCP, NULL },
	{ 18, XFED_NOT_SUPPORTED, XFED_NOT_SUPPORTED, false, 0, NO_LOGIN },
};

const struct xfed_matrix_row *xfed_matrix_row(enum xfed_level tls, enum xfed_level sasl, bool dialback)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (rows[i].tls == tls && rows[i].sasl == sasl && rows[i].dialback == dialback) {
			return &rows[i];
		}
	}
	/* a level outside its enum allows nothing */
	return &rows[17];
}

unsigned xfed_partner_methods(const struct xfed_partner *p)
{
	return xfed_matrix_row(p->tls, p->sasl, p->dialback)->methods;
}

bool xfed_partner_is_served(const struct xfed_partner *p)
{
	return p->kinds != 0 && !p->is_disabled;
}

enum xfed_reason xfed_partner_judge(const struct xfed_partner *p, unsigned method)
{
	if (method == 0 || (xfed_partner_methods(p) & method)) {
		return XFED_REASON_NONE;
	}
	return method == XFED_METHOD_EXTERNAL ? XFED_REASON_SASL_REQUIRED_MISSING : XFED_REASON_DIALBACK_NOT_ALLOWED;
}

bool xfed_partner_needs_tls(const struct xfed_partner *p)
{
	return (xfed_partner_methods(p) & XFED_METHOD_DIALBACK_PLAIN) == 0;
}

const char *xfed_method_name(enum xfed_method m)
{
	switch (m) {
	case XFED_METHOD_EXTERNAL:
		return "external";
	case XFED_METHOD_DIALBACK_TLS:
		return "dialback-tls";
	case XFED_METHOD_DIALBACK_PLAIN:
		return "dialback-plain";
	}
	return "none";
}
