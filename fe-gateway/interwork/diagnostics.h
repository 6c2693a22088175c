/*
 * ms-diagnostics: why a server or client of the Lync family refused a request, for its administrators; users never see it. Ours read it in
 * the log and among the failures.
 */
#ifndef GATEWAY_INTERWORK_DIAGNOSTICS_H
#define GATEWAY_INTERWORK_DIAGNOSTICS_H

#include "sip/message.h"
#include "xfed/arena.h"

#define IW_DIAGNOSTICS_BYTES	    2048 /* a longer header value is not read */
#define IW_DIAGNOSTICS_SOURCE_BYTES 64

/* Texts are one printable line of UTF-8 each, in the arena; data NULL: absent. */
struct iw_diagnostics {
	uint32_t id;		 /* 4005 */
	struct xfed_span sub;	 /* "2" of "4005.2" */
	struct xfed_span source; /* the server's name */
	struct xfed_span reason; /* at most IW_PHRASE_BYTES; if it names one of our reason codes it is marked as the partner's words */
};

/* Reads '4005.2;reason="...";source="..."'; parameters we do not know are ignored. XFED_OK, XFED_ERR_INVALID, XFED_ERR_NOMEM. */
int iw_diagnostics_read(struct xfed_arena *a, struct xfed_span value, struct iw_diagnostics *out);

/*
 * What a response has of it, for the operator: "ms-diagnostics 4005 of fe.corp.example: Destination URI ...". Looks for ms-diagnostics, then
 * ms-diagnostics-public, then ms-client-diagnostics. Data NULL: there is none that can be read. XFED_OK or XFED_ERR_NOMEM.
 */
int iw_diagnostics_words(struct xfed_arena *a, const struct sip_message *m, struct xfed_span *out);

/* The same words of one value, under the name it had. XFED_OK, XFED_ERR_INVALID, XFED_ERR_NOMEM. */
int iw_diagnostics_text(struct xfed_arena *a, const char *name, struct xfed_span value, struct xfed_span *out);

#endif
