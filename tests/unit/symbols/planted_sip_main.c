/* A program with libosip2's transaction layer, for the control of the DT_NEEDED lists. Never installed. */
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include <osip2/osip.h>

int main(void)
{
	osip_t *osip = NULL;
	printf("%d\n", osip_init(&osip));
	osip_release(osip);
	return 0;
}
