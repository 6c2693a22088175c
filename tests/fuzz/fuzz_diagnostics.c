/*
 * What Lync servers say of a failure: bytes as the value of ms-diagnostics, and as an ms-imdn document. Whatever comes in:
 * - what is read is one short printable line of UTF-8 each, which names none of our reason codes as if it were ours;
 * - a document has an id and the status of a response, or is refused; written and read again it is the same.
 */
#include <stdlib.h>

#include "interwork/diagnostics.h"
#include "interwork/imdn.h"
#include "xfed/jid.h"
#include "xfed/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static void is_line(struct xfed_span s, size_t most)
{
	MUST(s.len <= most && (!s.data || s.len > 0) && xfed_utf8_is_valid(s));
	for (size_t i = 0; i < s.len; i++) {
		MUST((uint8_t)s.data[i] >= ' ' && s.data[i] != 0x7f);
	}
}

static void value(struct xfed_arena *a, struct xfed_span in)
{
	struct iw_diagnostics d;
	int rc = iw_diagnostics_read(a, in, &d);
	MUST(rc == XFED_OK || rc == XFED_ERR_INVALID);
	if (rc == XFED_OK) {
		is_line(d.source, IW_DIAGNOSTICS_SOURCE_BYTES);
		is_line(d.reason, IW_PHRASE_BYTES);
		is_line(d.sub, 10);
		MUST(!d.reason.data || xfed_reason_by_code(d.reason) == XFED_REASON_NONE);
	}
}

static void document(struct xfed_arena *a, struct xfed_span in)
{
	struct iw_imdn d, back;
	struct xfed_buf b;
	int rc = iw_imdn_read(a, in, &d);
	MUST(rc == XFED_OK || rc == XFED_ERR_INVALID || rc == XFED_ERR_LIMIT);
	if (rc != XFED_OK) {
		MUST(!d.id.data && d.status == 0);
		return;
	}
	MUST(d.id.len > 0 && d.id.len <= IW_IMDN_ID_BYTES && d.status >= 100 && d.status <= 699);
	xfed_buf_init(&b, IW_IMDN_BYTES);
	MUST(iw_imdn_write(&b, d.id, XFED_SPAN("sip:a@x"), d.status) == XFED_OK);
	MUST(iw_imdn_read(a, xfed_buf_span(&b), &back) == XFED_OK && xfed_span_eq(back.id, d.id) && back.status == d.status);
	xfed_buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xfed_arena a;
	MUST(xfed_xml_global_init() == XFED_OK);
	xfed_arena_init(&a, 64 * 1024);
	value(&a, xfed_span_make(data, size));
	document(&a, xfed_span_make(data, size));
	xfed_arena_deinit(&a);
	return 0;
}
