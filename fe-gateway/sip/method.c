#include "sip/method.h"

static const struct xfed_span names[SIP_METHOD_COUNT] = { [SIP_METHOD_UNKNOWN] = { "", 0 },
#define X(name) [SIP_METHOD_##name] = { #name, sizeof(#name) - 1 },
	SIP_METHODS(X)
#undef X
};

struct xfed_span sip_method_name(enum sip_method m)
{
	return names[m];
}

enum sip_method sip_method_parse(struct xfed_span name)
{
	for (int m = SIP_METHOD_UNKNOWN + 1; m < SIP_METHOD_COUNT; m++) {
		if (xfed_span_eq(name, names[m])) {
			return (enum sip_method)m;
		}
	}
	return SIP_METHOD_UNKNOWN;
}
