COLOUR=green
echo The colour is $COLOUR
echo Today is $(date +%A)
