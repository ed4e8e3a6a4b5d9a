pwd
ls
cat welcome.txt
