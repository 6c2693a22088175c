/* A program with an SQL library, for the control of the DT_NEEDED lists. Never installed. */
#include <stdio.h>

#include <sqlite3.h>

int main(void)
{
	puts(sqlite3_libversion());
	return 0;
}
