/* What the files of deliver share; included by this room only. */
#ifndef GATEWAY_DELIVER_DELIVER_IMPL_H
#define GATEWAY_DELIVER_DELIVER_IMPL_H

#include "deliver/deliver.h"

struct deliver_user {
	deliver_fn *fn;
	void *data;
};

struct deliver {
	struct deliver_rooms below;
	struct deliver_user users[DELIVER_KIND_COUNT];
	struct xfed_xml_reader *reader; /* made when the first stanza comes */
};

#endif
