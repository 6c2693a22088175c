#include "sip/outside.h"

#include <stdio.h>
#include <string.h>

#include "sip/addr.h"
#include "sip/uri.h"

struct xfed_span sip_outside_contact(struct xfed_span contact, struct xfed_span uri, char out[SIP_OUTSIDE_CONTACT])
{
	struct sip_uri u;
	if (!contact.data || sip_uri_parse(uri, &u) != XFED_OK || !u.is_sip || !u.user.data) {
		return contact;
	}
	int n = snprintf(out, SIP_OUTSIDE_CONTACT, "<sip:%.*s@%.*s;gr=xfed>", (int)u.user.len, u.user.data, (int)u.host.len, u.host.data);
	return n > 0 && n < SIP_OUTSIDE_CONTACT ? xfed_span_make(out, (size_t)n) : contact;
}

struct xfed_span sip_outside_answer(struct xfed_span contact, struct xfed_span head, char out[SIP_OUTSIDE_CONTACT])
{
	static const char name[] = "To: ";
	struct sip_addr addr;
	while (head.len > 0) {
		struct xfed_span line = xfed_span_cut(&head, '\n');
		if (line.len > strlen(name) && memcmp(line.data, name, strlen(name)) == 0) {
			line = xfed_span_make(line.data + strlen(name), line.len - strlen(name) - (line.data[line.len - 1] == '\r'));
			return sip_addr_parse(line, &addr) == XFED_OK ? sip_outside_contact(contact, addr.uri, out) : contact;
		}
	}
	return contact;
}
